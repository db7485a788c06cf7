"""Every single change of chosen sequences: files, resuming, the report's maps, and the page of one sequence."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from browser import BROWSER, DRIVER, accessible, chrome, fits, opened  # noqa: F401
from counting_model import ACTIVATOR, REPRESSOR, build
from evidence_run import evidence_run, interp, sequences

from l2g_core.dna import one_hot
from l2g_core.errors import InputError
from l2g_interp import draw_mutations, mutate, read_attributions, read_mutations
from l2g_interp.records.tables import write_table
from l2g_interp.report.mutation_picture import MutationMap, common_limit, map_svg
from l2g_interp.variants.rows import VariantEffect

COUNTER = ("--model", "counting_model:build")
FAILING = """
import torch
from pathlib import Path
from counting_model import Counter

class Failing(Counter):
    def forward(self, one_hot):
        left = int(Path("left.txt").read_text())
        Path("left.txt").write_text(str(left - 1))
        if left == 0:
            raise KeyboardInterrupt
        return super().forward(one_hot)

def build():
    return Failing()
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With hits, and single changes of three sequences."""
    folder = evidence_run(tmp_path_factory.mktemp("run"))
    for arguments in (("hits",), ("mutate", *COUNTER, "--strongest", 1, "--sequence", "s1", "--sequence", "s4")):
        done = interp(*arguments, "--run", folder)
        assert done.exit_code == 0, done.output
    return folder


def test_the_file_holds_the_differences_of_two_plain_forwards(run):
    found, model = read_mutations(run / "mutations.h5"), build().eval()
    assert found.ids == ["s1", "s4"]
    assert found.targets == ("act", "rep")
    letters = [list(sequences()[0][row]) for row in (1, 4)]
    with torch.no_grad():
        own = model(torch.from_numpy(one_hot(["".join(row) for row in letters])).float()).numpy()
        for position in (0, 40, 99):
            for base, letter in enumerate("ACGT"):
                changed = ["".join([*row[:position], letter, *row[position + 1 :]]) for row in letters]
                new = model(torch.from_numpy(one_hot(changed)).float()).numpy()
                for t, target in enumerate(found.targets):
                    got = found[target].difference[:, base, position]
                    np.testing.assert_allclose(got, new[:, t] - own[:, t], atol=1e-6)
    np.testing.assert_allclose(found["act"].prediction, own[:, 0], atol=1e-6)
    assert (found["act"].difference[found.one_hot == 1] == 0).all()
    assert found.provenance["computed"] == "2 sequences by windows, 0 by plain batches"
    assert (found["act"].pearson > 0.8).all()
    assert (found["act"].pearson_low < found["act"].pearson).all()


def test_in_memory_it_is_the_same(run):
    stored = read_mutations(run / "mutations.h5")
    explained = read_attributions(run / "attributions.h5", rows=[1, 4])
    found = mutate(build(), stored.one_hot, ids=["s1", "s4"], attributions=explained, targets=["rep"])
    assert found.targets == ("rep",)
    for name, values in found["rep"].arrays().items():
        np.testing.assert_allclose(values, stored["rep"].arrays()[name], atol=1e-6)


def test_the_tables_say_the_same(run):
    found = read_mutations(run / "mutations.h5", ["rep"], ["s4"])
    with (run / "mutations.tsv").open() as handle:
        rows = [row for row in csv.DictReader(handle, delimiter="\t") if (row["target"], row["id"]) == ("rep", "s4")]
    assert len(rows) == 300
    for row in rows:
        base, position = "ACGT".index(row["alt"]), int(row["position"]) - 1
        assert found.one_hot[0, "ACGT".index(row["ref"]), position] == 1
        assert float(row["difference"]) == pytest.approx(found["rep"].difference[0, base, position], rel=1e-3, abs=1e-9)
    with (run / "mutations.sequences.tsv").open() as handle:
        (row,) = [row for row in csv.DictReader(handle, delimiter="\t") if (row["target"], row["id"]) == ("rep", "s4")]
    values = found["rep"].difference[0]
    assert float(row["gain"]) == pytest.approx(values.max())
    assert values["ACGT".index(row["gain_change"][-1]), int(row["gain_change"][1:-1]) - 1] == values.max()


@pytest.mark.slow
def test_the_table_of_changes_is_one_of_variants(run, tmp_path):
    table, lines = tmp_path / "v.tsv", (run / "mutations.tsv").read_text().splitlines()
    table.write_text("\n".join(lines[:1] + lines[50:53]) + "\n")
    done = interp("variants", *COUNTER, "--variants", table, "--fasta", run / "x.fa", "--length", 100, "--random", 0,
                  "--output", tmp_path / "v")  # fmt: skip
    assert done.exit_code == 0, done.output
    with (tmp_path / "v" / "variants.tsv").open() as handle:
        rows = [row for row in csv.DictReader(handle, delimiter="\t") if row["target"] == "act"]
    wanted = [float(line.split("\t")[5]) for line in lines[50:53]]
    assert [float(row["difference"]) for row in rows] == pytest.approx(wanted, abs=1e-5)


def test_plain_batches_are_asked_for_or_told(run, tmp_path):
    done = interp("mutate", *COUNTER, "--run", run, "--sequence", "s1", "--plain", "--output", tmp_path / "p.h5")
    assert done.exit_code == 0, done.output
    plain, ours = read_mutations(tmp_path / "p.h5"), read_mutations(run / "mutations.h5", ids=["s1"])
    assert plain.provenance["not_by_windows"] == ["not asked for"]
    np.testing.assert_allclose(plain["act"].difference, ours["act"].difference, atol=1e-6)


def test_an_interrupted_work_goes_on_where_it_was(tmp_path, monkeypatch):
    made = sequences()[0][:3]
    (tmp_path / "x.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(made)))
    (tmp_path / "failing_counter.py").write_text(FAILING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    work = ("mutate", "--model", "failing_counter:build", "--fasta", "x.fa", "--output")
    Path("left.txt").write_text("10000")
    assert interp(*work, "whole.h5").exit_code == 0
    calls = 10000 - int(Path("left.txt").read_text())
    Path("left.txt").write_text(str(calls // 2 + 2))  # in the second sequence
    assert interp(*work, "cut.h5").exit_code != 0
    assert Path("cut.h5.journal").exists()
    Path("left.txt").write_text("10000")
    refused = interp(*work, "cut.h5")
    assert refused.exit_code == 2
    assert "--resume" in refused.output
    Path("left.txt").write_text("10000")
    resumed = interp(*work, "cut.h5", "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert 10000 - int(Path("left.txt").read_text()) < calls
    assert Path("cut.tsv").read_bytes() == Path("whole.tsv").read_bytes()


@pytest.mark.slow
def test_folds_have_a_spread(run, tmp_path):
    folds = (*COUNTER, "--model", "counting_model:other")
    done = interp("mutate", *folds, "--fasta", run / "x.fa", "--sequence", "s1", "--output", tmp_path / "f.h5")
    assert done.exit_code == 0, done.output
    found, one = read_mutations(tmp_path / "f.h5"), read_mutations(run / "mutations.h5", ids=["s1"])
    np.testing.assert_allclose(found["act"].difference, 1.25 * one["act"].difference, atol=1e-5)
    assert found["act"].fold_spread is not None
    spread = np.abs(one["act"].difference) * 0.5 / np.sqrt(2)
    np.testing.assert_allclose(found["act"].fold_spread, spread, atol=1e-5)
    assert np.isnan(found["act"].pearson).all()


def test_what_is_wrong_is_said_in_a_line(run, tmp_path):
    for arguments, said in (
        (("mutate", "--run", run), "give --model"),
        (("mutate", "--run", run, *COUNTER, "--sequence", "nobody"), "no sequence 'nobody'"),
        (("mutate", "--fasta", run / "x.fa", "--output", tmp_path / "m.h5"), "give --model"),
        (("mutate", *COUNTER), "give --output, or --run"),
        (("mutate", "--model", "counting_model:other", "--run", run, "--sequence", "s2"), "--other-model"),
        (("sequence", *COUNTER, "--fasta", run / "x.fa", "--output", tmp_path / "s.html"), "choose one by --sequence"),
        (("sequence", "--run", run, "--output", tmp_path / "s.html"), "give --run and --sequence"),
    ):
        refused = interp(*arguments)
        assert refused.exit_code == 2, refused.output
        assert said in refused.output, refused.output
        assert "Traceback" not in refused.output


@pytest.mark.parametrize("damage", ["truncated", "lacks an array", "another shape", "other kind"])
def test_a_damaged_file_is_refused(run, tmp_path, damage):
    path = tmp_path / "m.h5"
    path.write_bytes((run / "mutations.h5").read_bytes())
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    else:
        with h5py.File(path, "r+") as file:
            del file["targets/act/difference"]
            if damage != "lacks an array":
                shape = (2, 4, 7) if damage == "another shape" else (2, 4, 100)
                file["targets/act/difference"] = np.zeros(shape, np.float32 if damage == "another shape" else np.int8)
    with pytest.raises(InputError, match="make it again with 'l2g-interp mutate'"):
        read_mutations(path)


# --- pictures --------------------------------------------------------------------------------------------------------


def test_colours_are_signed_and_saturate():
    difference = np.zeros((4, 5))
    difference[:, 0], difference[1, 2], difference[2, 3], difference[:, 4] = 0, -1.0, 3.0, np.nan
    there = np.zeros((4, 5), dtype=np.int8)
    there[0, :4] = 1
    shown = MutationMap(difference, there)
    svg = map_svg(shown, 1.0, 10)
    assert 'class="loss5" d="M20 10h10v10h-10z"' in svg
    assert 'class="gain5" d="M30 20h10v10h-10z"' in svg
    assert svg.count("<title>") == 4
    assert "A4 to C 0, G +3, T 0" in svg
    assert common_limit([shown]) == pytest.approx(np.percentile([0] * 10 + [1, 3], 99))
    assert common_limit([]) == 0
    assert "loss" not in map_svg(MutationMap(np.zeros((4, 5)), there), 0.0, 0)


def test_a_map_for_notebooks_and_png(run, tmp_path):
    import matplotlib as mpl

    mpl.use("agg")
    found = read_mutations(run / "mutations.h5")
    ax = draw_mutations(found, 1, "act", start=10, end=60)
    assert ax.get_xlim() == (9.5, 59.5)
    assert len(ax.collections[0].get_offsets()) == 50
    ax.figure.savefig(tmp_path / "m.png")
    with pytest.raises(InputError, match="no row 2"):
        draw_mutations(found, 2, "act")
    with pytest.raises(InputError, match="no target 'dev'"):
        draw_mutations(found, 0, "dev")


def test_the_report_draws_them_under_the_tracks(run, tmp_path):
    done = interp("report", "--run", run, "--output", tmp_path / "r.html", "--sequence", "s1", "--tracks", 1)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "r.html").read_text()
    assert text.count('class="changes-legend"') == 2
    assert "contributions and single changes: r +0." in text
    assert text.count('<svg class="changes"') >= 2


@pytest.mark.slow
def test_changes_of_another_model_are_left_out_of_the_report(run, tmp_path):
    import shutil

    other = tmp_path / "run"
    shutil.copytree(run, other)
    (other / "mutations.h5").unlink()
    model = ("--model", "counting_model:other", "--other-model", "--overwrite")
    assert interp("mutate", *model, "--run", other, "--sequence", "s1").exit_code == 0
    done = interp("report", "--run", other, "--output", tmp_path / "r.html")
    assert "left out, because another model was explained" in done.output
    assert '<svg class="changes"' not in (tmp_path / "r.html").read_text()


# --- one sequence, one page ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a sequence of the run whose changes are known, with variants and a measured value."""
    folder = tmp_path_factory.mktemp("page")
    numbers = dict.fromkeys(("reference", "alternative", "difference", "edge"), 0.5)
    common = {"kind": "SNV", "window_start": 0, "window_end": 100, "n_random": 9, "p_value": 0.1, "q_value": 0.2}
    rows = [
        VariantEffect(target="act", chrom=chrom, position=5, id="rs<b>1", ref="A", alt="T", **common, **numbers)
        for chrom in ("s1", "s2")
    ]
    write_table(folder / "variants.tsv", rows, VariantEffect)
    (folder / "o.tsv").write_text("id\tact\ns1\t1.2345\n")
    done = interp("sequence", "--run", run, "--sequence", "s1", "--variants", folder, "--observed", folder / "o.tsv",
                  "--output", folder / "s1.html")  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder / "s1.html"


def test_the_page_has_everything_of_the_sequence(run, page):
    text, found = page.read_text(), read_mutations(run / "mutations.h5", ids=["s1"])
    start, site = sequences()[1][ACTIVATOR][1][1], found["act"].difference[0].min(0)
    assert site.argmin() in range(start, start + len(ACTIVATOR))
    assert "−2.00" in text
    assert "pattern 0" in text
    assert "1.23" in text
    assert text.count("rs&lt;b&gt;1") == 1
    assert f"{site.argmin() + 1}" in text
    assert "of 30" in text
    assert text.count('<svg class="changes"') == 2


def test_a_new_sequence_is_explained_with_the_motifs_of_a_run(run, tmp_path):
    made = sequences(seed=9)[0][0]
    (tmp_path / "n.fa").write_text(f">new\n{made}\n")
    common = ("sequence", *COUNTER, "--fasta", tmp_path / "n.fa", "--references", 3, "--output")
    done = interp(*common, tmp_path / "with.html", "--run", run)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "with.html").read_text()
    _, start, _ = sequences(seed=9)[1][REPRESSOR][0]
    assert f"{start + 1}–{start + len(REPRESSOR)}" in text
    assert interp(*common, tmp_path / "without.html").exit_code == 0
    assert "no run was given whose motifs to look for" in (tmp_path / "without.html").read_text()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="needs chromium and chromedriver")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_in_a_browser(page, chrome, width):  # noqa: F811
    with opened(chrome, page, width):
        assert fits(chrome)
        accessible(chrome)
