"""From an allele in a file to a change of the genome that can be scored, or the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from l2g_core.dna import Sequences, open_genome, reverse_complement
from l2g_interp.variants.rows import Variant

BASES = re.compile("[ACGT]+")
MITOCHONDRIA = ("M", "MT")
CHROMOSOME, SEQUENCE = "chromosome", "sequence"  # what the names of the reference are


@dataclass(frozen=True)
class Letters:
    """Where the reference bases are: lengths (bp) by name, and a function from name, start and end to letters.

    ``what`` says what the names are: `CHROMOSOME` or `SEQUENCE`.
    """

    sizes: Mapping[str, int]
    cut: Callable[[str, int, int], str]
    what: str = CHROMOSOME

    def called(self, name: str) -> str | None:
        """The name here of what a file calls ``name``: ``chr2L`` and ``2L`` are one, as are ``MT`` and ``chrM``."""
        bare = name[3:] if name.lower().startswith("chr") else name
        same = MITOCHONDRIA if bare.upper() in MITOCHONDRIA else (bare,)
        forms = [name, *(form for other in same for form in (f"chr{other}", other))]
        return next((form for form in forms if form in self.sizes), None)


@contextmanager
def letters_of_genome(path: Path) -> Iterator[Letters]:
    """The chromosomes of an indexed FASTA, read piece by piece.

    Raises
    ------
    InputError
        The genome is missing, damaged or cannot be indexed.
    """
    with open_genome(path) as genome:
        sizes = {name: len(genome[name]) for name in genome.keys()}  # noqa: SIM118
        yield Letters(sizes, lambda name, start, end: str(genome[name][start:end]))


def letters_of(sequences: Mapping[str, str] | Sequences) -> Letters:
    """Sequences in memory, by id."""
    if isinstance(sequences, Sequences):
        sequences = dict(zip(sequences.ids, sequences.sequences, strict=True))
    upper = {name: letters.upper() for name, letters in sequences.items()}
    sizes = {name: len(letters) for name, letters in upper.items()}
    return Letters(sizes, lambda name, start, end: upper[name][start:end], SEQUENCE)


@dataclass(frozen=True)
class Change:
    """``n_ref`` bases from ``start`` (0-based) are replaced by ``alt``; what both alleles share is left out.

    ``ref``: the bases that are replaced; an insertion has none, a deletion has no ``alt``.
    """

    chrom: str
    start: int
    ref: str
    alt: str

    @property
    def n_ref(self) -> int:
        return len(self.ref)

    @property
    def longer(self) -> int:
        """How many bases the alternative has more (bp); negative for a deletion."""
        return len(self.alt) - len(self.ref)

    @property
    def kind(self) -> str:
        """``SNV``, ``MNV`` (as many bases as before), ``insertion``, ``deletion`` or ``delins`` (both)."""
        if self.longer == 0:
            return "SNV" if len(self.ref) == 1 else "MNV"
        return "insertion" if not self.ref else "deletion" if not self.alt else "delins"


def change_of(variant: Variant, letters: Letters, length: int) -> Change | str:
    """The change that a variant is, or why it is not scored.

    Parameters
    ----------
    variant
        As the file tells it.
    letters
        The reference; REF is compared with it.
    length
        Of the windows (bp). A variant that replaces, inserts or deletes more than half of one is not scored.
    """
    ref, alt = variant.ref.upper(), variant.alt.upper()
    chrom = letters.called(variant.chrom)
    if reason := _no_allele(alt):
        return reason
    if not BASES.fullmatch(ref) or not BASES.fullmatch(alt):
        return "letters other than A, C, G and T"
    if chrom is None:
        return f"no such {letters.what}"
    start = variant.position - 1
    if start < 0 or start + len(ref) > letters.sizes[chrom]:
        return f"outside the {letters.what}"
    if reason := _wrong_reference(ref, alt, letters.cut(chrom, start, start + len(ref))):
        return reason
    change = _trimmed(chrom, start, ref, alt)
    if not change.ref and not change.alt:
        return "both alleles are the same"
    if max(len(change.ref), len(change.alt)) > length // 2:
        return "longer than half of the window"
    return change


def _no_allele(alt: str) -> str:
    """Why an ALT column holds no letters; empty if it does."""
    if alt in ("", "."):
        return "no alternative allele"
    if alt == "*":
        return "deleted by another variant (*)"
    if alt.startswith("<"):
        return "symbolic allele, such as <DEL>"
    if set(alt) & set("[]") or alt.startswith(".") or alt.endswith("."):
        return "breakend"
    return ""


def _wrong_reference(ref: str, alt: str, there: str) -> str:
    """Why REF does not fit the bases that are there; empty if it does."""
    if ref == there:
        return ""
    if reverse_complement(ref) == there:
        return "REF is that of the other strand"
    if not BASES.fullmatch(there):
        return "the reference has letters other than A, C, G and T there"
    if alt == there:
        return "REF and ALT are swapped"
    return "REF differs from the reference"


def _trimmed(chrom: str, start: int, ref: str, alt: str) -> Change:
    """Without the bases that both alleles start or end with."""
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    return Change(chrom, start, ref, alt)
