"""Experiments: what file, data set, flags and defaults make together, and what is refused."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner
from dataset_files import dna, publish

from l2g_core.cli import main as l2g
from l2g_core.datasets import DATASETS
from l2g_core.errors import InputError
from l2g_core.evaluation.metrics import METRICS
from l2g_core.experiments.listing import experiments
from l2g_core.experiments.options import SECTIONS, options_class, settings
from l2g_core.experiments.resolve import resolve
from l2g_core.experiments.write import as_toml, write_experiment
from l2g_core.finetune.options import FinetuneOptions
from l2g_core.model.config import L2GConfig

KNOWN = experiments()


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_every_task_of_the_paper_has_an_experiment() -> None:
    published = {name for name, entry in DATASETS.items() if entry.rows}
    assert published <= set(KNOWN)
    assert {name for name, content in KNOWN.items() if "paper" in content} == published


@pytest.mark.parametrize("name", KNOWN)
def test_every_experiment_resolves_holds_only_what_differs_and_runs_again_as_written(name: str, tmp_path: Path) -> None:
    """A new file is tested here without writing a test."""
    found = resolve(name)
    assert found.about
    entry = DATASETS[found.sections["data"]["name"]]
    assert found.sections["model"]["task"] == entry.task
    assert found.sections["finetune"]["metric"] == entry.metric
    assert entry.metric in METRICS
    assert set(found.paper) <= set(entry.targets)
    for section, values in found.given.items():
        for key, value in values.items():
            assert value != settings(section)[key][1], f"[{section}] {key} is the default"
    again = resolve(write_experiment(found, tmp_path))
    assert again.sections == found.sections
    assert again.paper == found.paper


def test_options_become_what_the_stages_take() -> None:
    found = resolve("deepstarr")
    assert found.options("finetune") == FinetuneOptions(batch_size=128, metric="pcc")
    assert found.model_config(("dev", "hk"), 249) == L2GConfig(("dev", "hk"), 249)
    assert {f.name for f in fields(L2GConfig)} - set(settings("model")) == {"targets", "sequence_length"}


def test_flags_win_over_the_file_and_the_file_over_data_set_and_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, '[data]\nname = "nt-H3"\n[finetune]\nepochs = 7\nbatch_size = 32\nmetric = "accuracy"\n')
    flags = ["finetune.epochs=9", "model.backbone=minilm", "finetune.betas=[0.8, 0.9]", "data.data_dir=/x y"]
    found = resolve(path, flags, seed=4)
    assert found.sections["finetune"]["epochs"] == 9
    assert found.sections["finetune"]["batch_size"] == 32
    assert found.sections["finetune"]["metric"] == "accuracy"
    assert found.sections["finetune"]["betas"] == (0.8, 0.9)
    assert found.sections["finetune"]["clip"] == FinetuneOptions().clip
    assert found.sections["model"]["backbone"] == "minilm"
    assert found.sections["model"]["task"] == "classification"
    assert found.sections["data"]["data_dir"] == "/x y"
    assert [found.sections[s]["seed"] for s in SECTIONS if "seed" in settings(s)] == [4] * 5
    assert resolve(path, ["finetune.seed=5"], seed=4).sections["finetune"]["seed"] == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[finetune]\nepoch = 5", r"\[finetune\] has no key 'epoch'; did you mean 'epochs'"),
        ("[finetuning]\nepochs = 5", "no section 'finetuning'; did you mean 'finetune'"),
        (
            "[model]\nepochs = 5",
            r"\[model\] has no key 'epochs'; it belongs in \[search\] or \[align\] or \[finetune\]",
        ),
        ("[model]\ntargets = ['dev']", r"\[model\] has no key 'targets'; it belongs in \[data\]"),
        ("[model]\nsequence_length = 9", r"\[model\] has no key 'sequence_length'"),
        ("[finetune]\nepochs = 'five'", r"\[finetune\] epochs is 'five'; it takes a whole number"),
        ("[finetune]\nepochs = 5.5", "epochs is 5.5; it takes a whole number"),
        ("[finetune]\nepochs = -1", "epochs is -1; it takes a whole number"),
        ("[finetune]\nepochs = true", "epochs is True; it takes a whole number"),
        ("[finetune]\nclip = nan", "clip is nan; it takes a number"),
        ("[finetune]\naugment = 1", "augment is 1; it takes true or false"),
        ("[finetune]\nbetas = [0.9]", r"betas is \[0.9\]; it takes a list of 2"),
        ("[model]\ntask = 'clustering'", "task is 'clustering'; it takes 'regression' or"),
        ("[model]\noperators = [[3]]", r"operators is \[\[3\]\]; it takes a list"),
        ("epochs = 5", "no key 'epochs'; .*sections are data, model"),
        ("[finetune\nepochs = 5", "not TOML: .*line 3"),
    ],
)
def test_what_is_unknown_or_of_another_type_is_refused_with_the_remedy(text: str, says: str, tmp_path: Path) -> None:
    path = write(tmp_path, 'about = "x"\n\n' + text + '\n\n[data]\nname = "nt-H3"\n')
    with pytest.raises(InputError, match=says) as error:
        resolve(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("experiment", "flags", "says"),
    [
        ("deepstar", (), "did you mean 'deepstarr'"),
        ("none.toml", (), "none.toml: no such file"),
        ("deepstarr", ("epochs=5",), "is not SECTION.KEY=VALUE"),
        ("deepstarr", ("finetune.epochs",), "is not SECTION.KEY=VALUE"),
        ("deepstarr", ("finetune.epoch=5",), "--set: .*did you mean 'epochs'"),
    ],
)
def test_wrong_names_and_flags_are_refused(experiment: str, flags: tuple[str, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        resolve(experiment, flags)


def test_an_experiment_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\[data\] has no 'name'"):
        resolve(write(tmp_path, "[finetune]\nepochs = 5\n"))


def test_operators_are_read_as_pairs(tmp_path: Path) -> None:
    found = resolve(write(tmp_path, '[data]\nname = "nt-H3"\n[model]\noperators = [[3, 1], [7, 5]]\n'))
    assert found.sections["model"]["operators"] == ((3, 1), (7, 5))


def test_an_experiment_opens_its_data_and_refuses_others(tmp_path: Path) -> None:
    location = publish(DATASETS["nt-H3"], tmp_path)
    flags = [f"data.data_dir={location}", "data.rows=12"]
    data = resolve("nt-H3", flags).open_data()
    assert Counter(data.splits) == {"train": 12, "test": 12, "val": 4}
    assert "at most 12 rows of each split" in data.split_source
    assert resolve("nt-H3", flags).open_data().data.ids == data.data.ids
    assert resolve("nt-H3", flags, seed=1).open_data().data.ids != data.data.ids
    assert len(resolve("nt-H3", [*flags, f"data.sha256={data.sha256}"]).open_data()) == len(data)
    with pytest.raises(InputError, match="the experiment is for 0000"):
        resolve("nt-H3", [*flags, f"data.sha256={'0' * 64}"]).open_data()


def test_an_experiment_may_be_about_a_table(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    table.write_text("sequence\ty\n" + "".join(f"{dna(20)}\t{i}\n" for i in range(30)))
    found = resolve(write(tmp_path, f'[data]\nname = "{table}"\n'))
    assert found.sections["model"]["task"] == "regression"
    assert found.sections["finetune"]["metric"] is None
    assert found.open_data().targets == ("y",)


def test_every_section_is_a_dataclass_whose_defaults_are_complete() -> None:
    for section in SECTIONS:
        assert settings(section)
        if section != "model":
            options_class(section)()


def test_experiments_are_listed_and_shown() -> None:
    listed = CliRunner().invoke(l2g, ["experiments"])
    assert listed.exit_code == 0, listed.output
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == ["name", *KNOWN]
    shown = CliRunner().invoke(l2g, ["experiments", "deepstarr", "--set", "finetune.epochs=3"])
    assert shown.exit_code == 0, shown.output
    assert tomllib.loads(shown.stdout)["finetune"]["epochs"] == 3
    assert shown.stdout == as_toml(resolve("deepstarr", ["finetune.epochs=3"]))
