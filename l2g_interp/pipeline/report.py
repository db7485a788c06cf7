"""The report as a stage on files: ``report.html``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from l2g_core.runs.files import file_sha256
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.ledger import known_sha256
from l2g_interp.report.write import write_report
from l2g_interp.run_folder import EFFECTS, HITS, MATCHED, MATCHES, MUTATIONS, attributions_of, motifs_sha256, read_run


def report_file(
    folder: Path,
    output: Path,
    *,
    observed: Path | None = None,
    n_tracks: int = 20,
    title: str = "Motif report",
    sequences: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write the report of a run folder as one HTML file; returns ``output``.

    Parameters
    ----------
    observed
        Measured values: a TSV with a column ``id`` and one per target.
    n_tracks, title, sequences
        As for `write_report`.
    overwrite
        Replace what other settings left in ``output`` (the rule of `l2g_core.runs.identity`).

    Raises
    ------
    InputError
        A table is missing or damaged, or ``output`` holds other work.
    """
    run = read_run(folder, observed)
    tables = [folder / name for name in (MATCHES, MATCHED, EFFECTS, HITS, MUTATIONS)]
    content = {
        "attributions": known_sha256(attributions_of(folder)),
        "motifs": motifs_sha256(run.patterns),
        "tables": {path.name: known_sha256(path) for path in tables if path.exists()},
        "observed": None if observed is None else file_sha256(observed),
        "tracks": n_tracks,
        "title": title,
        "sequences": list(sequences),
    }
    with claim(output, Identity("l2g-interp report", content), [output], overwrite=overwrite) as claimed:
        if not claimed.finished:
            write_report(output, run, n_tracks=n_tracks, title=title, sequences=sequences)
    return output
