"""FASTA records with the complete header line, one by one: some data sets keep labels there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from l2g_core.dna import open_text
from l2g_core.errors import InputError


def read_records(path: Path) -> Iterator[tuple[str, str]]:
    """Headers (without ``>``) and sequences.

    Raises
    ------
    InputError
        The file is missing, or not FASTA.
    """
    from Bio.SeqIO.FastaIO import SimpleFastaParser

    number = 0
    with open_text(path) as handle:
        if handle.read(1) != ">":
            raise InputError(f"{path}: not FASTA: it does not start with '>'; give the file as it was published")
        handle.seek(0)
        for number, (header, sequence) in enumerate(SimpleFastaParser(handle), start=1):
            if not header.strip():
                raise InputError(f"{path}: record {number} has no name after '>'; give it one")
            yield header.strip(), sequence
