"""The command lines: help that answers at once, exit codes, and bad input that writes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from l2g_core.cli import main as l2g
from l2g_core.model.checkpoint import load
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import EMBEDDERS
from l2g_core.model.l2g import L2G
from l2g_interp.cli import main as l2g_interp
from l2g_interp.demo.made_up import make_planted_sequences
from l2g_interp.records.attributions_file import read_attributions

LENGTH = 60
HEAVY = ("torch", "transformers", "h5py", "pandas", "modiscolite", "memelite", "captum", "Bio", "numpy")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    config = L2GConfig(
        ("dev", "hk"), LENGTH, embedder_width=4, target_tokens=10, backbone="minilm", backbone_training="none"
    )
    L2G(config).save_pretrained(folder)
    return folder


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "x.fa"
    sequences = make_planted_sequences(3, LENGTH, seed=0).sequences
    path.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences)))
    return path


def interp(*arguments: object) -> Result:
    return CliRunner().invoke(l2g_interp, [str(a) for a in arguments])


def attribute(checkpoint: Path, fasta: Path, output: Path, *more: object) -> Result:
    return interp("attribute", "--model", checkpoint, "--fasta", fasta, "--output", output, "--references", 3, *more)


@pytest.mark.parametrize("program", ["l2g_core.cli", "l2g_interp.cli"])
def test_help_imports_nothing_heavy(program: str) -> None:
    """What makes --help answer in under half a second."""
    code = f"import sys, {program}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("program", [l2g, l2g_interp])
def test_every_command_has_help(program) -> None:
    for name in ("", *program.commands):
        result = CliRunner().invoke(program, [name, "--help"] if name else ["--help"])
        assert result.exit_code == 0
        assert len(result.output.splitlines()) > 3


def test_the_embedders_offered_are_those_there_are() -> None:
    (option,) = [p for p in l2g.commands["finetune"].params if p.name == "embedder"]
    assert set(option.type.choices) == set(EMBEDDERS)  # type: ignore[attr-defined]


def test_attribute_writes_what_the_model_predicts(checkpoint: Path, fasta: Path, tmp_path: Path) -> None:
    output, table = tmp_path / "out" / "a.h5", tmp_path / "p.tsv"
    assert attribute(checkpoint, fasta, output).exit_code == 0
    result = CliRunner().invoke(
        l2g, ["predict", "--model", str(checkpoint), "--fasta", str(fasta), "--output", str(table)]
    )
    assert result.exit_code == 0, result.output
    header, *rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert header == ["id", "dev", "hk"]
    stored = read_attributions(output)
    assert stored.ids == [row[0] for row in rows] == ["s0", "s1", "s2"]
    for column, target in enumerate(("dev", "hk"), start=1):
        np.testing.assert_allclose(stored[target].prediction, [float(r[column]) for r in rows], atol=1e-5)
        assert stored[target].completeness_error < 1e-3
    assert stored.provenance["n_references"] == 3


def test_targets_are_chosen_by_name(checkpoint: Path, fasta: Path, tmp_path: Path) -> None:
    assert attribute(checkpoint, fasta, tmp_path / "a.h5", "--targets", "hk").exit_code == 0
    assert read_attributions(tmp_path / "a.h5").targets == ("hk",)


def test_anybodys_module_is_attributed(fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynet.py").write_text(
        "import torch\n"
        "def build():\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Conv1d(4, 3, 5), torch.nn.ReLU(),\n"
        f"        torch.nn.Flatten(), torch.nn.Linear(3 * {LENGTH - 4}, 2))\n"
        "number = 3\n"
        "def text():\n"
        "    return 'no module'\n"
    )
    monkeypatch.chdir(tmp_path)
    for strands in ("model", "both"):
        output = tmp_path / f"{strands}.h5"
        result = interp(
            "attribute", "--model", "mynet:build", "--fasta", fasta, "--output", output, "--references", 3,
            "--strands", strands,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert read_attributions(output).targets == ("0", "1")
    for wrong in ("mynet:nothing", "nowhere:build", "mynet:text"):
        result = interp("attribute", "--model", wrong, "--fasta", fasta, "--output", tmp_path / "no.h5")
        assert result.exit_code == 2
        assert wrong in result.output


def refused(result: Result, *words: str) -> None:
    """Exit code 2 and one line that has the words."""
    assert result.exit_code == 2, result.output
    assert len(result.output.strip().splitlines()) == 1, result.output
    for word in words:
        assert word in result.output


def test_bad_sequences_write_nothing(checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "a.h5"
    cases = {
        "": ("the file is empty",),
        ">a\n>b\nACGT\n": ("record 'a' has no sequence",),
        f">a\n{'A' * LENGTH}\n>a\n{'C' * LENGTH}\n": ("two records are called 'a'",),
        f">a\n{'A' * (LENGTH + 1)}\n": ("record 'a' has 61 bp", "16 to 60 bp"),
        ">a\nACGTACGT\n": ("record 'a' has 8 bp", "16 to 60 bp"),
        ">a\nACGTEFGH\n": ("record 'a' has 'E' at position 5",),
    }
    for number, (text, words) in enumerate(cases.items()):
        path = tmp_path / f"bad{number}.fa"
        path.write_text(text)
        refused(attribute(checkpoint, path, output), path.name, *words)
    refused(attribute(checkpoint, tmp_path / "nowhere.fa", output), "nowhere.fa: no such file")
    assert not output.parent.exists() or not list(output.parent.iterdir())


def test_ambiguous_letters_are_counted_and_told(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "n.fa"
    path.write_text(">a\n" + "ACGTN" * 10 + "ry" + "A" * 8 + "\n")
    result = attribute(checkpoint, path, tmp_path / "a.h5")
    assert result.exit_code == 0
    assert "12 letters other than A, C, G, T" in result.output
    stored = read_attributions(tmp_path / "a.h5")
    assert stored.one_hot[0, :, 4].sum() == 0
    assert np.abs(stored["dev"].contributions[0, :, 4]).sum() == 0


def test_bad_options_are_refused(checkpoint: Path, fasta: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.h5"
    refused(attribute(checkpoint, fasta, output, "--targets", "dev,liver"), "no target 'liver'", "dev, hk")
    refused(interp("attribute", "--model", checkpoint, "--output", output), "give --fasta, or --bed")
    refused(attribute(checkpoint, fasta, output, "--bed", fasta), "give --fasta, or --bed")
    refused(attribute(tmp_path / "nothing", fasta, output), "no such checkpoint folder")
    refused(attribute(checkpoint, fasta, tmp_path), "is a folder")
    assert not output.exists()


def test_an_output_that_cannot_be_written_is_named(checkpoint: Path, fasta: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(attribute(checkpoint, fasta, tmp_path / "file" / "a.h5"), "file: cannot be written", "choose another")
    refused(interp("run", "--model", checkpoint, "--fasta", fasta, "--output", tmp_path / "file"), "cannot be written")


def test_a_stage_whose_input_is_missing_says_which_command_makes_it(tmp_path: Path) -> None:
    missing = interp("motifs", "--attributions", tmp_path / "a.h5", "--output", tmp_path)
    refused(missing, "a.h5: no such file", "l2g-interp attribute")
    refused(interp("match", "--motifs", tmp_path, "--output", tmp_path / "m.tsv"), "no motifs here")
    refused(interp("report", "--run", tmp_path, "--output", tmp_path / "r.html"), "no motifs here")
    (tmp_path / "b.h5").write_text("not HDF5")
    refused(
        interp("motifs", "--attributions", tmp_path / "b.h5", "--output", tmp_path), "not a complete attributions file"
    )


def test_a_database_that_is_nothing_is_refused_before_the_long_part(
    checkpoint: Path, fasta: Path, tmp_path: Path
) -> None:
    arguments = ("run", "--model", checkpoint, "--fasta", fasta, "--output", tmp_path / "out", "--database")
    refused(interp(*arguments, "nowhere"), "nowhere")
    empty = tmp_path / "empty.meme"
    empty.write_text("MEME version 4\n\nALPHABET= ACGT\n")
    refused(interp(*arguments, empty), "empty.meme")
    skewed = tmp_path / "skewed.meme"
    skewed.write_text(
        "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF a/b <x>\nletter-probability matrix: alength= 4 w= 1\n0.5 0.5 0.5 0\n"
    )
    refused(interp(*arguments, skewed), "skewed.meme", "a/b")
    assert not (tmp_path / "out").exists()


def test_databases_are_listed() -> None:
    result = interp("databases")
    assert result.exit_code == 0
    assert {line.split("\t")[0] for line in result.output.splitlines()} >= {
        "onthefly", "flyfactorsurvey", "jaspar-insects", "core-promoter",
    }  # fmt: skip


def test_finetune_from_a_table_makes_a_checkpoint_that_predicts(tmp_path: Path) -> None:
    made = make_planted_sequences(60, 40, seed=0)
    rows = [f"{s}\t{d:.3f}\t{'' if i % 3 else f'{h:.3f}'}" for i, (s, d, h) in enumerate(
        zip(made.sequences, made.activities["dev"], made.activities["hk"], strict=True))]  # fmt: skip
    table = tmp_path / "t.tsv"
    table.write_text("sequence\tdev\thk\n" + "\n".join(rows) + "\n")
    result = CliRunner().invoke(
        l2g,
        ["finetune", str(table), "--output", str(tmp_path / "m"), "--backbone", "minilm", "--layers", "1",
         "--embedder-width", "4", "--tokens", "8", "--epochs", "2", "--batch-size", "16"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert [line.split("\t")[:3] for line in result.output.splitlines() if line.startswith("val")] == [
        ["val", "dev", "pcc"], ["val", "hk", "pcc"],
    ]  # fmt: skip
    model = load(tmp_path / "m")
    assert model.targets == ("dev", "hk")
    assert model.provenance["data"]["file"] == str(table)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("not a table",)),
        ("reads\tdev\nACGT\t1\n", ("no column 'sequence'", "reads, dev")),
        ("sequence\tdev\nACGT\tmuch\n", ("no column to learn", "text, such as 'much'", "--targets")),
        ("sequence\tname\tdev\nACGT\tx\t\n", ("no column to learn", "dev (nothing measured)")),
        ("sequence\tdev\tsplit\nACGT\t1\tholdout\n", ("'holdout'", "train, val and test")),
        ("sequence\tdev\tsplit\nACGT\t1\ttest\n", ("no row has split 'train'",)),
        ("sequence\tdev\nAXGT\t1\n", ("record 'row_1' has 'X'",)),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    table = tmp_path / "t.tsv"
    table.write_text(text)
    result = CliRunner().invoke(l2g, ["--quiet", "finetune", str(table), "--output", str(tmp_path / "m")])
    refused(result, "t.tsv", *words)
    assert not (tmp_path / "m").exists()


def test_a_label_that_does_not_parse_is_named_by_line(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    table.write_text("sequence\tdev\nACGT\t1\nACGT\tlots\n")
    result = CliRunner().invoke(l2g, ["finetune", str(table), "--output", str(tmp_path / "m"), "--targets", "dev"])
    refused(result, "t.tsv: line 3: dev is 'lots'")


def test_intervals_of_a_genome_keep_their_coordinates(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">chr1\n" + make_planted_sequences(1, 300, seed=3).sequences[0] + "\n")
    (tmp_path / "x.bed").write_text("chr1\t10\t20\tpeak\t0\t-\nchr1\t100\t200\n")
    arguments = ("attribute", "--model", checkpoint, "--bed", tmp_path / "x.bed", "--genome", tmp_path / "g.fa")
    refused(interp(*arguments, "--output", tmp_path / "a.h5"), "x.bed: record 'peak' has 10 bp", "--width")
    result = interp(*arguments, "--width", 60, "--on-edge", "refuse", "--output", tmp_path / "a.h5")
    refused(result, "1 of 2 intervals", "line 1: chr1:-15-45 reaches beyond the chromosome (0-300)")
    (tmp_path / "x.bed").write_text("chr1\t50\t60\tpeak\t0\t-\nchr1\t100\t200\n")
    result = interp(*arguments, "--width", 60, "--references", 2, "--output", tmp_path / "a.h5")
    assert result.exit_code == 0, result.output
    stored = read_attributions(tmp_path / "a.h5")
    assert [str(c) for c in stored.coordinates or []] == ["chr1:25-85(-)", "chr1:120-180"]
    assert stored.one_hot.shape == (2, 4, LENGTH)


def test_a_function_without_a_rule_is_refused_or_named_in_the_result(fasta: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "network.py").write_text("from sorting import Sorting\n\n\ndef make():\n    return Sorting().eval()\n")
    monkeypatch.syspath_prepend(tmp_path)
    output = tmp_path / "a.h5"
    refused = attribute("network:make", fasta, output)  # type: ignore[arg-type]
    assert "sort" in refused.output
    assert "--on-missing warn" in refused.output
    assert refused.exit_code == 2
    assert not output.exists()
    with pytest.warns(UserWarning, match="sort"):
        let_through = attribute("network:make", fasta, output, "--on-missing", "warn")  # type: ignore[arg-type]
    assert let_through.exit_code == 0
    assert read_attributions(output).provenance["unruled"] == ["torch.Tensor.sort"]
    assert "torch.Tensor.sort" in let_through.output
