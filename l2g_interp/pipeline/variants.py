"""What variants do, as a stage on files: ``variants.tsv``, ``variants.vcf``, ``motif_changes.tsv``, a page of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.console import out_of_memory_explained
from l2g_core.dna import Sequences, one_hot, read_fasta
from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256
from l2g_core.runs.identity import Identity, claim
from l2g_core.runs.journal import Journal
from l2g_interp.attributions.targets import choose_targets, prepare
from l2g_interp.models import OpenModel, longest_of, open_model
from l2g_interp.pipeline.variant_motifs import RunMotifs, make_or_break, motifs_of_run
from l2g_interp.pipeline.variant_scores import VariantWork, read_scores, score_into
from l2g_interp.pipeline.variant_tables import files_of, nothing_scored, write_files
from l2g_interp.run_folder import read_record, record
from l2g_interp.variants.changes import SEQUENCE, Letters, letters_of, letters_of_genome
from l2g_interp.variants.rows import Variant
from l2g_interp.variants.score import ScoreOptions
from l2g_interp.variants.table import read_table
from l2g_interp.variants.vcf import read_vcf

STOCK = "ACGT"  # repeated, it is a sequence to find out what a model returns


@dataclass(frozen=True)
class VariantOptions:
    """How to score variants.

    Attributes
    ----------
    targets
        Outputs; those of the run, or all, when None.
    length
        Of the windows (bp); when None, what the model says it takes, or the shortest sequence if that is shorter.
    n_random, seed, batch_size
        As in `l2g_interp.variants.ScoreOptions`.
    strongest
        How many variants to explain with the run's motifs, and to show in the page.
    strands
        ``model``, ``forward`` or ``both``; ``model`` with a run means as the run.
    """

    targets: tuple[str, ...] | None = None
    length: int | None = None
    n_random: int = 100
    seed: int = 0
    batch_size: int | None = None
    strongest: int = 100
    strands: str = "model"


@dataclass(frozen=True)
class VariantInput:
    """Files: a VCF with the genome that it refers to, or a table with the FASTA that has its sequences."""

    vcf: Path | None = None
    genome: Path | None = None
    table: Path | None = None
    fasta: Path | None = None

    def check(self) -> None:
        """Refuse what is neither of the two (InputError)."""
        pairs = (self.vcf, self.genome), (self.table, self.fasta)
        if any((one is None) != (other is None) for one, other in pairs) or (self.vcf is None) == (self.table is None):
            raise InputError("give --vcf together with --genome, or --variants together with --fasta")

    @property
    def variants(self) -> Path:
        path = self.vcf or self.table
        assert path is not None
        return path

    @property
    def reference(self) -> Path:
        path = self.genome or self.fasta
        assert path is not None
        return path

    def read(self) -> Iterator[Variant]:
        """The variants, one by one, in the order of the file."""
        return read_vcf(self.variants) if self.vcf else read_table(self.variants)

    @contextmanager
    def letters(self) -> Iterator[Letters]:
        """The reference."""
        if self.genome:
            with letters_of_genome(self.genome) as letters:
                yield letters
        else:
            yield letters_of(read_fasta(self.reference))


def variant_files(
    spec: str | Sequence[str],
    given: VariantInput,
    output: Path,
    options: VariantOptions,
    *,
    run: Path | None = None,
    model_output: str | None = None,
    layout: str | None = None,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shown: bool = True,
) -> dict[str, Any]:
    """Score the variants of a file into a folder, and say which motifs of a run the strongest make or break.

    Blocks of variants are flushed to disk before the next; memory grows by a few numbers a variant, not by windows.

    Parameters
    ----------
    spec
        The model or its folds, as for `open_model`; with a run, the model of the run.
    given
        The variants and their reference.
    output
        The folder to write.
    run
        A run folder with motifs.
    model_output, layout
        As for `open_model`; with a run, those of the run.
    resume, overwrite
        What to do if ``output`` holds unfinished or other work (the rule of `l2g_core.runs.identity`).

    Returns
    -------
    What was done, as in ``run.json``: settings and counts, also of what was not scored.

    Raises
    ------
    InputError
        A file is damaged, none of its variants can be scored, the model is not the run's, or ``output`` holds other
        work.
    """
    given.check()
    n = sum(1 for _ in given.read())  # first of all: what cannot be read leaves nothing behind
    if not n:
        raise InputError(f"{given.variants}: no variants in it")
    motifs = motifs_of_run(run) if run else None
    noted = motifs.provenance if motifs else {}
    strands = noted.get("strands", "model") if options.strands == "model" else options.strands
    with given.letters() as letters:
        length = _length(options, spec, letters)
        window = (STOCK * length)[:length]
        model = open_model(
            spec, Sequences(["window"], [window], "a window"), strands, device,
            output=model_output or noted.get("model_output"), layout=layout or noted.get("layout"),
        )  # fmt: skip
        if motifs:
            motifs.check_model(model)
        module, names = prepare(model.module, one_hot([window], model.length))
        chosen = choose_targets(module, options.targets or (motifs.targets if motifs else None), names)
        scoring = ScoreOptions(options.n_random, options.seed, options.batch_size, model.length)
        work = VariantWork(given.read, n, letters, length, scoring, chosen.network, chosen.columns, chosen.names)
        content = _content(model, given, options, length, strands, work, motifs)
        identity = Identity("l2g-interp variants", content)
        journal = Journal(output / "variants.journal", identity)
        files = [output / name for name in files_of(given.vcf, motifs)]
        with claim(output, identity, files, partial=[journal.path], resume=resume, overwrite=overwrite) as claimed:
            if claimed.finished:
                return read_record(output).get("steps", {}).get("variants", {})
            with out_of_memory_explained("--batch-size"):
                score_into(journal, work, claimed.resumed, shown)
                scores = read_scores(journal, len(work.targets))
                if np.isnan(scores.reference).all():
                    journal.path.unlink()
                    raise InputError(nothing_scored(given.variants, work))
                broken = make_or_break(work, motifs, scores, options.strongest, shown)
            named = {"model": model.name, "variants": str(given.variants), "reference": str(given.reference)}
            summary = write_files(output, work, scores, broken, given.vcf, motifs, named | content)
            record(output, "variants", summary)
            journal.path.unlink()
            return summary


def _length(options: VariantOptions, spec: str | Sequence[str], letters: Letters) -> int:
    """How long the windows are (bp)."""
    known = [options.length] if options.length else [longest_of(spec)]
    if letters.what == SEQUENCE and not options.length:
        known.append(min(letters.sizes.values()))
    found = [length for length in known if length]
    if not found:
        raise InputError("the model does not say how long a sequence it reads; give --length")
    return min(found)


def _content(
    model: OpenModel,
    given: VariantInput,
    options: VariantOptions,
    length: int,
    strands: str,
    work: VariantWork,
    motifs: RunMotifs | None,
) -> dict[str, Any]:
    """What the result depends on; batch size and device do not count."""
    content = {
        "model_fingerprint": model.fingerprint, "variants_sha256": file_sha256(given.variants),
        "reference_sha256": file_sha256(given.reference), "targets": list(work.targets), "length": length,
        "n_random": options.n_random, "seed": options.seed, "strands": strands, "strongest": options.strongest,
    }  # fmt: skip
    return {**content, **model.noted, **(motifs.identity() if motifs else {})}
