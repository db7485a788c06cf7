"""The rule for what lies in an output already, run over every command of both programs that writes.

Nothing there: it is done. The same work, finished: said, exit 0, nothing touched. The same work, unfinished: refused,
naming ``--resume``. Other settings or data: refused, naming the difference; ``--overwrite`` replaces it. Another
process at it: refused, naming that process.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from evidence_run import evidence_run, write_motifs
from small_training import model as small_model

from l2g_core.cli import main as l2g
from l2g_core.model.deepstarr import CONVOLUTIONS, KERAS_CONVOLUTIONS, KERAS_HEADS
from l2g_core.runs.ledger import PLACE, Ledger
from l2g_core.runs.lock import lock
from l2g_interp.cli import main as l2g_interp
from l2g_interp.demo.made_up import make_planted_sequences
from l2g_interp.exports.formats import FOLDERS, FORMATS

pytestmark = pytest.mark.slow
PROGRAMS = {"l2g": l2g, "l2g-interp": l2g_interp}
EXEMPT = {
    "l2g push": "writes to the Hub; with --output a copy of a checkpoint and a card (tests/core/model/test_hub.py)",
    "l2g fetch": "continues by itself: what it downloads is checked against hashes (tests/core/datasets/test_fetch.py)",
    "l2g-interp demo": "a chain of the stages below with fixed settings; its own test runs it twice",
}
SMALL = ("--backbone", "minilm", "--embedder-width", 4, "--device", "cpu")
TOML = """
[data]
name = "{table}"
[model]
backbone = "minilm"
backbone_training = "none"
embedder = "orca"
embedder_width = 4
target_tokens = 15
[stages]
search = false
align = false
[finetune]
epochs = 1
warmup_epochs = 1.0
"""


@dataclass(frozen=True)
class Case:
    """How to call a command: with its usual data (``one``) or with the other, and which option changes a setting.

    ``output``: the name to write, with a suffix where it is a file. ``resumable``: it has ``--resume``.
    """

    arguments: Callable[[Path], list[object]]  # from the folder with one kind of data
    output: str
    setting: tuple[object, ...] = ()
    resumable: bool = False


def with_run(*more: object) -> Callable[[Path], list[object]]:
    return lambda data: ["--run", data / "run", *more]


COUNTER = ("--model", "counting_model:build")
CASES = {
    "l2g import-deepstarr": Case(lambda data: [data / "weights.h5"], "model"),
    "l2g predict": Case(lambda data: ["--model", data / "model", "--fasta", data / "x.fa"], "p.tsv"),
    "l2g evaluate": Case(
        lambda data: ["--model", data / "model", "--table", data / "t.tsv"], "e.json", ("--split", "val")
    ),
    "l2g export": Case(
        lambda data: ["--model", data / "model", "--table", data / "t.tsv"], "e.tsv", ("--split", "val")
    ),
    "l2g search": Case(
        lambda data: [data / "t.tsv", "--embedder", "deepsea", "--epochs", 1, *SMALL], "out", ("--seed", 1), True
    ),
    "l2g align": Case(
        lambda data: [data / "t.tsv", "--embedder", "orca", "--epochs", 2, "--layers", 1, "--points", 8,
                      "--task-first", 0.5, "--cache", data / "cache", *SMALL],
        "out", ("--seed", 1), True,
    ),
    "l2g finetune": Case(
        lambda data: [data / "t.tsv", "--embedder", "orca", "--epochs", 1, "--backbone-training", "none", *SMALL],
        "out", ("--seed", 1), True,
    ),
    "l2g train": Case(lambda data: [data / "t.toml"], "out", ("--set", "finetune.weight_decay=0.5"), True),
    "l2g tune": Case(
        lambda data: [data / "t.toml", "--trials", 1], "out", ("--set", "finetune.weight_decay=0.5"), True
    ),
    "l2g-interp attribute": Case(
        lambda data: [*COUNTER, "--fasta", data / "x.fa", "--references", 3], "a.h5", ("--seed", 1), True
    ),
    "l2g-interp motifs": Case(
        lambda data: ["--attributions", data / "run" / "attributions.h5"], "out", ("--min-seqlets", 25)
    ),
    "l2g-interp match": Case(
        lambda data: ["--motifs", data / "run", "--database", "core-promoter"], "m.tsv", ("--matches", 2)
    ),
    "l2g-interp validate": Case(with_run(*COUNTER, "--backgrounds", 10, "--copies", 1), "v.tsv", ("--seed", 1)),
    "l2g-interp plant": Case(
        with_run(*COUNTER, "--backgrounds", 10, "--motif", "DRE", "--database", "core-promoter"), "p.tsv",
        ("--seed", 1),
    ),
    "l2g-interp hits": Case(with_run(), "h.tsv", ("--quantile", 0.2)),
    "l2g-interp report": Case(with_run("--tracks", 1), "r.html", ("--title", "Another title")),
    "l2g-interp run": Case(
        lambda data: [*COUNTER, "--fasta", data / "x.fa", "--references", 3, "--database", "core-promoter",
                      "--backgrounds", 10, "--copies", 1],
        "out", ("--seed", 1), True,
    ),
    "l2g-interp compare": Case(
        lambda data: [f"{data / 'run'}:act", f"{data / 'run'}:rep"], "c.html", ("--title", "Another title")
    ),
    **{
        f"l2g-interp export --format {kind}": Case(
            with_run("--format", kind), "out" if kind in FOLDERS else "out.x",
        )
        for kind in FORMATS if kind != "bigwig"  # needs coordinates; the same function
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders, ``one`` and ``other``, with everything that a command reads; the same but for its content."""
    top = tmp_path_factory.mktemp("data")
    for number, name in enumerate(("one", "other")):
        folder = top / name
        folder.mkdir()
        made = make_planted_sequences(60, 60, seed=number)
        rows = zip(made.sequences, made.activities["dev"], ["train"] * 40 + ["val"] * 10 + ["test"] * 10, strict=True)
        table = "".join(f"{s}\t{d:.4f}\t{split}\n" for s, d, split in rows)
        (folder / "t.tsv").write_text("sequence\tdev\tsplit\n" + table)
        (folder / "t.toml").write_text(TOML.format(table=folder / "t.tsv"))
        (folder / "x.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(made.sequences[:12])))
        small_model(dropout=0.05 + 0.01 * number).save_pretrained(folder / "model")
        keras_weights(folder / "weights.h5", number)
        (folder / "run").mkdir()
        evidence_run(folder / "run", "--fasta", folder / "run" / "x.fa", "--seed", number)
        write_motifs(folder / "run", leave_out=number)
        invoke("l2g-interp hits", "--run", folder / "run")
    return top


def keras_weights(path: Path, seed: int) -> None:
    """Random weights in the layout of the published DeepSTARR network."""
    rng = np.random.default_rng(seed)
    flat, widths = CONVOLUTIONS[-1][1] * (249 // 2 ** len(CONVOLUTIONS)), [c[1] for c in CONVOLUTIONS]
    shapes = {f"{name}/kernel": (k, a, b) for name, (a, b, k) in zip(KERAS_CONVOLUTIONS, CONVOLUTIONS, strict=True)}
    shapes |= {"Dense_1/kernel": (flat, 256), "Dense_2/kernel": (256, 256)}
    shapes |= {f"{name}/kernel": (256, 1) for name in KERAS_HEADS}
    shapes |= {name.replace("kernel", "bias"): shape[-1:] for name, shape in shapes.items()}
    for number, width in enumerate([*widths, 256, 256], 1):
        for variable in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"batch_normalization_{number}/{variable}"] = (width,)
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            file[f"{name.partition('/')[0]}/{name}:0"] = rng.uniform(0.1, 1.0, shape).astype(np.float32)


def invoke(command: str, *arguments: object) -> Result:
    program, name, *options = command.split()
    return CliRunner().invoke(PROGRAMS[program], [name, *options, *map(str, arguments)])


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Another process holds every lock of this folder; its number."""
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(folder, ready, release))
    process.start()
    assert ready.wait(60)
    assert process.pid is not None
    yield process.pid
    release.set()
    process.join()


def _hold(folder: Path, ready, release) -> None:
    from contextlib import ExitStack

    with ExitStack() as locks:
        for entry in Ledger(folder).entries():
            name = entry.identity["kind"].replace(" ", "-") if entry.output == "." else Path(entry.output).name
            locks.enter_context(lock(folder / PLACE / f"{name}.lock", folder))
        ready.set()
        release.wait(120)


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file, but those of the ledger."""
    files = [path for path in folder.rglob("*") if path.is_file() and PLACE not in path.parts]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def mark_unfinished(folder: Path) -> None:
    """As a killed run leaves the ledgers of its folders."""
    for path in folder.rglob(f"{PLACE}/outputs.json"):
        entries = json.loads(path.read_text())
        for entry in entries:
            entry["finished"] = not entry["partial"]  # what cannot be resumed is recorded when it is finished
        path.write_text(json.dumps(entries))


def test_every_command_that_writes_is_in_the_table() -> None:
    writing = {
        f"{program} {name}"
        for program, main in PROGRAMS.items()
        for name, command in main.commands.items()
        if any(option.name in ("output", "overwrite") for option in command.params)
    }
    covered = {" ".join(name.split()[:2]) for name in CASES} | set(EXEMPT)
    assert writing <= covered
    for name in covered - {"l2g fetch", "l2g push"}:
        program, _, command = name.partition(" ")
        options = {option.name for option in PROGRAMS[program].commands[command].params}
        assert "overwrite" in options
        assert ("resume" in options) == (name in EXEMPT or CASES.get(name, Case(list, "")).resumable)


@pytest.mark.parametrize("name", CASES)
def test_the_rule(name: str, data: Path, tmp_path: Path) -> None:
    case, folder = CASES[name], tmp_path / "f"
    folder.mkdir()
    output = folder / case.output
    home = output.parent if output.suffix else output

    def run(*more: object, of: str = "one") -> Result:
        return invoke(name, *case.arguments(data / of), "--output", output, *more)

    done = run()  # nothing there
    assert done.exit_code == 0, done.output
    assert not done.exception
    before = content(folder)
    assert before

    again = run()  # the same, finished
    assert again.exit_code == 0, again.output
    assert content(folder) == before

    others = [{"of": "other"}] + ([{}] if case.setting else [])
    flags = [(), ("--resume",)] if case.resumable else [()]
    for how, flag in itertools.product(others, flags):  # other data, other settings
        refused = run(*(case.setting if not how else ()), *flag, **how)
        assert refused.exit_code == 2, refused.output
        assert " then, " in refused.output
        assert "--overwrite" in refused.output
        assert refused.output.count("Error") == 1
        assert content(folder) == before

    with held(home) as pid:  # another process at it
        refused = run()
        assert refused.exit_code == 2, refused.output
        assert f"another process is writing it (process {pid} on " in refused.output
        assert content(folder) == before

    if case.resumable:  # the same, unfinished
        mark_unfinished(folder)
        refused = run()
        assert refused.exit_code == 2, refused.output
        assert "add --resume" in refused.output
        assert content(folder) == before
        resumed = run("--resume")
        assert resumed.exit_code == 0, resumed.output

    replaced = run("--overwrite", of="other")
    assert replaced.exit_code == 0, replaced.output
    assert content(folder) != before
    assert run(of="other").exit_code == 0


def test_files_that_nobody_knows_are_not_replaced(data: Path, tmp_path: Path) -> None:
    """A user's own file, or one of another program, under the name of an output."""
    for name in ("l2g predict", "l2g-interp attribute", "l2g-interp hits", "l2g-interp report"):
        case = CASES[name]
        output = tmp_path / case.output
        output.write_text("mine")
        refused = invoke(name, *case.arguments(data / "one"), "--output", output)
        assert refused.exit_code == 2, refused.output
        assert "exists already, and nothing says what made it" in refused.output
        assert output.read_text() == "mine"
        replaced = invoke(name, *case.arguments(data / "one"), "--output", output, "--overwrite")
        assert replaced.exit_code == 0, replaced.output
        assert output.read_bytes() != b"mine"


def test_a_second_plant_does_not_erase_the_first(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(data / "one" / "run", run)
    common = [*COUNTER, "--run", run, "--backgrounds", 10, "--database", "core-promoter"]
    assert invoke("l2g-interp plant", *common, "--motif", "DRE").exit_code == 0
    before = (run / "planted.tsv").read_bytes()
    refused = invoke("l2g-interp plant", *common, "--motif", "E-box")
    assert refused.exit_code == 2, refused.output
    assert "motifs" in refused.output
    assert (run / "planted.tsv").read_bytes() == before
