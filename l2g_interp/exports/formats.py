"""What ``l2g-interp export`` does for each format. To add one: a function and a line in `FORMATS`.

The first line of each function's docstring is what the command's help says about it. Nothing heavy is imported until a
format is used.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from l2g_core.console import writable_file, writable_folder
from l2g_core.errors import InputError

if TYPE_CHECKING:
    from l2g_core.runs.identity import Identity
    from l2g_interp.records.types import Match, Pattern
    from l2g_interp.run_folder import Evidence


@dataclass(frozen=True)
class Request:
    """What to export: a run folder, or attributions alone; all targets and patterns, or one.

    ``kind`` is a name in `FORMATS`; ``genome`` (a FASTA) or ``sizes`` (a table) give the lengths of the chromosomes.
    """

    kind: str
    attributions: Path | None = None
    run: Path | None = None
    target: str | None = None
    pattern: str | None = None
    genome: Path | None = None
    sizes: Path | None = None

    def source(self) -> Path:
        """The attributions file."""
        from l2g_interp.run_folder import attributions_of

        if self.attributions is not None:
            return self.attributions
        if self.run is None:
            raise InputError("give --attributions (a file) or --run (a folder)")
        return attributions_of(self.run)

    def targets(self) -> list[str]:
        """The targets to export."""
        from l2g_interp.records.attributions_file import read_overview
        from l2g_interp.records.types import check_targets

        known = list(read_overview(self.source()).by_target)
        check_targets([self.target] if self.target else [], known, str(self.source()))
        return [self.target] if self.target else known

    def patterns(self) -> tuple[list[Pattern], list[Match]]:
        """The patterns to export, and the matches that name them."""
        from l2g_interp.records.types import check_targets

        found, matches = self.all_patterns()
        check_targets([self.target] if self.target else [], list(found), str(self.run))
        chosen = [p for target, mine in found.items() for p in mine if self.target in (None, target)]
        if self.pattern is not None:
            known = list(dict.fromkeys(p.name for p in chosen))
            chosen = [p for p in chosen if p.name == self.pattern]
            if not chosen:
                raise InputError(f"{self.run}: no pattern {self.pattern!r}; it has {', '.join(known) or 'none'}")
        return chosen, matches

    def all_patterns(self) -> tuple[dict[str, list[Pattern]], list[Match]]:
        """The patterns of the run by target, and the matches that name them."""
        from l2g_interp.records.tables import read_table
        from l2g_interp.records.types import Match
        from l2g_interp.run_folder import MATCHES, read_all_patterns

        if self.run is None:
            raise InputError(
                f"--format {self.kind} exports motifs: give --run, the folder of 'l2g-interp run' or 'motifs'"
            )
        table = self.run / MATCHES
        return read_all_patterns(self.run), read_table(table, Match, "l2g-interp match") if table.exists() else []

    def evidence(self) -> Evidence:
        """Effects and hits of the run's motifs, as far as they are known."""
        from l2g_interp.run_folder import read_all_patterns, read_evidence

        assert self.run is not None  # `patterns` has checked it
        return read_evidence(self.run, read_all_patterns(self.run))

    def identity(self) -> Identity:
        """What the exported files depend on."""
        from l2g_core.runs.identity import Identity
        from l2g_core.runs.ledger import known_sha256
        from l2g_interp.run_folder import EFFECTS, HITS, MATCHES, motifs_sha256, read_all_patterns

        index = None if self.genome is None else self.genome.with_name(self.genome.name + ".fai")
        tables = [self.run / name for name in (MATCHES, EFFECTS, HITS)] if self.run else []
        files = [self.source(), *tables, *([self.sizes] if self.sizes else []), *([index] if index else [])]
        about_motifs = self.run is not None and self.attributions is None
        content = {
            "format": self.kind,
            "target": self.target,
            "pattern": self.pattern,
            "files": {path.name: known_sha256(path) for path in files if path.exists()},
            "motifs": motifs_sha256(read_all_patterns(self.run)) if about_motifs and self.run else None,
        }
        return Identity(" ".join(["l2g-interp export", self.kind, *filter(None, (self.target, self.pattern))]), content)


def export(request: Request, output: Path) -> list[Path]:
    """Write one format.

    Parameters
    ----------
    request
        What to export, in which of the `FORMATS`.
    output
        A file or a folder, depending on the format.

    Returns
    -------
    The files written.

    Raises
    ------
    InputError
        Something that the format needs was not given or is missing, or ``output`` cannot be written.
    """
    return FORMATS[request.kind](request, output)


def export_files(request: Request, output: Path, overwrite: bool = False) -> list[Path]:
    """As `export`, by the rule of `l2g_core.runs.identity` for what lies in ``output`` already.

    The files of a folder are made beside their places and moved there together, once it is known that they may be; one
    that is there already with the same content (the one-hot sequences of another target's export) stays.
    """
    from l2g_core.runs.identity import claim
    from l2g_core.runs.ledger import Ledger
    from l2g_core.runs.scratch import scratch_folder

    if request.kind not in FOLDERS:
        with claim(writable_file(output), request.identity(), [output], overwrite=overwrite) as claimed:
            return claimed.files if claimed.finished else export(request, output)
    single = one_file(request.kind, output)
    home = writable_file(output).parent if single else writable_folder(output)
    ledger, identity = Ledger(home), request.identity()
    with scratch_folder(".export-", home) as scratch:
        wanted = scratch / output.name if single else scratch
        files = {made: home / made.relative_to(scratch) for made in export(request, wanted)}
        ours = [name for entry in ledger.entries() if entry.identity == identity.as_json() for name in entry.names]
        new = {made: at for made, at in files.items() if ledger.name(at) in ours or not _same(made, at)}
        claims = [*new.values(), *([output] if single and output not in new.values() else [])]
        with claim(output, identity, claims, overwrite=overwrite) as claimed:
            for made, place in new.items() if not claimed.finished else ():
                place.parent.mkdir(parents=True, exist_ok=True)
                made.replace(place)
    return list(files.values())


def one_file(kind: str, output: Path) -> bool:
    """Whether ``output`` names the file of one target, not a folder for the files of all."""
    return kind in ENDINGS and output.suffix == ENDINGS[kind]


def _same(first: Path, second: Path) -> bool:
    return second.is_file() and filecmp.cmp(first, second, shallow=False)


def _files(request: Request, output: Path, stem: str = "") -> dict[str, Path]:
    """The file of each target: ``STEM.TARGET.h5`` in the folder, or ``output`` itself if it names a file."""
    from l2g_interp.records.types import safe_name

    targets, ending = request.targets(), ENDINGS[request.kind]
    if one_file(request.kind, output):
        if len(targets) > 1:
            raise InputError(
                f"{output.name}: a file of --format {request.kind} holds one target; give a folder for all, or "
                f"--target, one of {', '.join(targets)}"
            )
        return {targets[0]: writable_file(output)}
    return {target: writable_folder(output) / f"{stem}.{safe_name(target)}{ending}" for target in targets}


def _npz(request: Request, output: Path) -> list[Path]:
    """The arrays that 'modisco motifs' takes: one_hot.npz, hypothetical.TARGET.npz."""
    from l2g_interp.exports.arrays import write_modisco_npz
    from l2g_interp.records.attributions_file import read_attributions

    folder, source = writable_folder(output), request.source()
    pairs = [write_modisco_npz(read_attributions(source, [target]), target, folder) for target in request.targets()]
    return list(dict.fromkeys(path for pair in pairs for path in pair))


def _chrombpnet(request: Request, output: Path) -> list[Path]:
    """For chrombpnet's tools and Fi-NeMo: contributions.TARGET.h5 (or one file .h5), regions.bed."""
    from l2g_interp.exports.arrays import write_chrombpnet_h5
    from l2g_interp.exports.finemo import write_regions_bed
    from l2g_interp.records.attributions_file import read_attributions, read_overview

    files, source = _files(request, output, "contributions"), request.source()
    for target, path in files.items():
        write_chrombpnet_h5(read_attributions(source, [target]), target, path)
    overview, width = read_overview(source), read_attributions(source, rows=[]).one_hot.shape[2]
    if overview.coordinates is None:
        return list(files.values())
    bed = output.with_suffix(".regions.bed") if one_file(request.kind, output) else output / "regions.bed"
    write_regions_bed(overview.ids, overview.coordinates, width, bed)
    return [*files.values(), bed]


def _finemo(request: Request, output: Path) -> list[Path]:
    """The hits in the columns of Fi-NeMo's hits.tsv: hits.TARGET.tsv (or one file .tsv)."""
    from l2g_interp.exports.finemo import write_finemo_hits
    from l2g_interp.records.attributions_file import read_overview

    patterns = [p for mine in request.all_patterns()[0].values() for p in mine]
    files, hits = _files(request, output, "hits"), request.evidence()["hits"]
    if not hits:
        raise InputError(f"{request.run}: no hits of these motifs; call them with 'l2g-interp hits'")
    coordinates = read_overview(request.source()).coordinates
    for target, path in files.items():
        write_finemo_hits([hit for hit in hits if hit.target == target], patterns, coordinates, path)
    return list(files.values())


def _bigwig(request: Request, output: Path) -> list[Path]:
    """Contribution of every base, for IGV and UCSC: contributions.TARGET.bw."""
    from l2g_interp.exports.genome import chrom_sizes, coordinates_of, write_bigwig
    from l2g_interp.records.attributions_file import read_overview

    coordinates_of(read_overview(request.source()), request.source())  # fail first: without coordinates no option helps
    sizes = chrom_sizes(request.genome, request.sizes)
    files = _files(request, output, "contributions")
    for target, path in files.items():
        write_bigwig(request.source(), target, path, sizes)
    return list(files.values())


def _bed(request: Request, output: Path) -> list[Path]:
    """The stretches (seqlets) of all motifs, on the genome."""
    from l2g_interp.exports.genome import write_seqlets_bed

    write_seqlets_bed(*request.patterns(), request.source(), writable_file(output))
    return [output]


def _meme(request: Request, output: Path) -> list[Path]:
    """The motifs, for any motif tool."""
    from l2g_interp.exports.motif_files import write_meme

    write_meme(*request.patterns(), writable_file(output))
    return [output]


def _homer(request: Request, output: Path) -> list[Path]:
    """The motifs, for HOMER; sites score 60 % of the best or more."""
    from l2g_interp.exports.motif_files import write_homer

    write_homer(*request.patterns(), writable_file(output))
    return [output]


def _tables(request: Request, output: Path) -> list[Path]:
    """Tables sequences.tsv, patterns.tsv (with effects, hits and links) and pairs.tsv."""
    from l2g_interp.exports.tables import write_tables

    targets = [request.target] if request.target else []
    evidence = request.evidence()
    return write_tables(
        *request.patterns(), request.source(), writable_folder(output), targets, evidence["effects"], evidence["hits"]
    )


def _logos(request: Request, output: Path) -> list[Path]:
    """Every logo as SVG and PNG, and logos.tsv, which says what they show."""
    from l2g_interp.exports.motif_files import write_logos

    return write_logos(*request.patterns(), writable_folder(output))


FORMATS: dict[str, Callable[[Request, Path], list[Path]]] = {
    "npz": _npz,
    "chrombpnet": _chrombpnet,
    "finemo": _finemo,
    "bigwig": _bigwig,
    "bed": _bed,
    "meme": _meme,
    "homer": _homer,
    "tables": _tables,
    "logos": _logos,
}
FOLDERS = frozenset(FORMATS) - {"bed", "meme", "homer"}  # --output names a folder; for the others, a file
ENDINGS = {"chrombpnet": ".h5", "finemo": ".tsv", "bigwig": ".bw"}  # one file per target; --output may name one, too
