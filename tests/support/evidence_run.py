"""A run folder made with the counting model: real attributions, and motifs files in TF-MoDISco's layout."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from click.testing import CliRunner, Result
from counting_model import EFFECTS, TARGETS

from l2g_core import dna
from l2g_interp.cli import main
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.tables import write_table
from l2g_interp.records.types import Attributions, Match, Pattern, Seqlets
from l2g_interp.run_folder import record

N, LENGTH, FLANK = 30, 100, 3


def interp(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def exact_ppm(motif: str) -> np.ndarray:
    return dna.one_hot([motif])[0].astype(float)


def pattern(motif: str, target: str, number: int = 0, ppm: np.ndarray | None = None) -> Pattern:
    """A pattern of exact letters (or of ``ppm``) without seqlets."""
    ppm = exact_ppm(motif) if ppm is None else ppm
    sign = "+" if EFFECTS.get(motif, 1.0) > 0 else "-"
    none = np.empty(0, dtype=np.int64)
    name = f"{'pos' if sign == '+' else 'neg'}_patterns.pattern_{number}"
    cwm = ppm * EFFECTS.get(motif, 1.0)
    return Pattern(target, name, sign, ppm, cwm, cwm, Seqlets(none, none, none, none.astype(bool)))


def sequences(length: int = LENGTH, seed: int = 5) -> tuple[list[str], dict[str, list[tuple[int, int, bool]]]]:
    """Random DNA with one site of each motif, and where they lie: row, first base, whether on the other strand."""
    rng = np.random.default_rng(seed)
    places: dict[str, list[tuple[int, int, bool]]] = {motif: [] for motif in EFFECTS}
    made = []
    for row in range(N):
        letters = rng.choice(list("ACGT"), length)
        for slot, motif in enumerate(EFFECTS):
            start, reverse = 8 + slot * 30 + int(rng.integers(10)), bool(rng.random() < 0.5)
            site = dna.reverse_complement(motif) if reverse else motif
            letters[start : start + len(motif)] = list(site)
            places[motif].append((row, start, reverse))
        made.append("".join(letters))
    return made, places


def evidence_run(folder: Path, *attribute_options: object) -> Path:
    """Attribute planted sequences by command, and write their motifs; ``attribute_options`` replace the FASTA."""
    made, _ = sequences()
    fasta = folder / "x.fa"
    fasta.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(made)))
    options = attribute_options or ("--fasta", fasta)
    result = interp(
        "attribute", "--model", "counting_model:build", *options, "--references", 5, "--output",
        folder / "attributions.h5", "--overwrite",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    write_motifs(folder)
    return folder


def write_motifs(folder: Path, leave_out: int = 0) -> None:
    """Patterns made of the planted sites, all but the first ``leave_out``, as the step 'motifs' leaves them."""
    attributions = read_attributions(folder / "attributions.h5")
    places = sequences()[1]
    for target, motifs in TARGETS.items():
        with h5py.File(folder / f"motifs.{target}.h5", "w") as file:
            file.attrs["window_size"] = LENGTH
            for number, motif in enumerate(motifs):
                group = "pos_patterns" if EFFECTS[motif] > 0 else "neg_patterns"
                _write_pattern(
                    file.create_group(f"{group}/pattern_{number}"), attributions, target, motif,
                    places[motif][leave_out:],
                )  # fmt: skip
    found = {target: len(motifs) for target, motifs in TARGETS.items()}
    content = {"attributions": str(folder / "attributions.h5"), "min_seqlets": 1, "patterns": found, "notes": {}}
    record(folder, "motifs", content)
    write_table(folder / "matches.tsv", [], Match)
    (folder / "matches.motifs.json").write_text("[]")


def _write_pattern(group, attributions: Attributions, target: str, motif: str, places: list) -> None:
    one, width = attributions[target], len(motif) + 2 * FLANK
    rows, starts, reverse = (np.array(column) for column in zip(*places, strict=True))
    stacks = {
        "sequence": one.one_hot, "contrib_scores": one.contributions, "hypothetical_contribs": one.hypothetical,
    }  # fmt: skip
    for key, stack in stacks.items():
        cuts = [stack[r, :, s - FLANK : s - FLANK + width] for r, s in zip(rows, starts, strict=True)]
        oriented = [cut[::-1, ::-1] if other else cut for cut, other in zip(cuts, reverse, strict=True)]
        group[key] = np.mean(oriented, axis=0).T
    group["seqlets/n_seqlets"] = np.array([len(rows)])
    group["seqlets/example_idx"] = rows
    group["seqlets/start"], group["seqlets/end"] = starts - FLANK, starts - FLANK + width
    group["seqlets/is_revcomp"] = reverse
