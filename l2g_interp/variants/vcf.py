"""VCF and BCF, read and written by pysam: the only place that knows it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2g_core.dna import open_text
from l2g_core.errors import InputError, missing_extra
from l2g_core.faults import check_readable
from l2g_core.runs.files import atomic_write
from l2g_interp.variants.rows import Variant

if TYPE_CHECKING:
    from pysam import VariantFile, VariantRecord

COLUMNS = 8
MISSING = "."


@dataclass(frozen=True)
class Field:
    """A field of the INFO column with a value for each alternative allele; ``kind``: Float or String."""

    id: str
    kind: str
    description: str


def read_vcf(path: Path) -> Iterator[Variant]:
    """Every alternative allele of every record, in the order of the file; one with ALT ``.`` where there is none.

    Raises
    ------
    InputError
        Not VCF or BCF, or a record cannot be read; the message names its line.
    """
    with _opened(path) as file:
        for number, record in enumerate(_records(path, file), 1):
            with _raising(path, number - 1):  # texts are decoded when they are asked for
                place, texts = (record.chrom, record.pos), (record.id or MISSING, record.ref or MISSING)
                alts = record.alts or (MISSING,)
            for alt in alts:
                yield Variant(*place, *texts, alt, number)


def annotate_vcf(
    path: Path, output: Path, fields: Sequence[Field], values: Iterable[Mapping[str, float | str]], command: str
) -> None:
    """Copy a VCF with fields added to INFO, as text; the write is atomic.

    Parameters
    ----------
    path
        What `read_vcf` read.
    output
        The VCF to write. Its header also declares the contigs, filters and fields that the input uses undeclared.
    fields
        What is added.
    values
        For each `Variant` that `read_vcf` yields, in its order, values by the ids of the fields; what is missing or NaN
        becomes ``.``.
    command
        Noted in the header.

    Raises
    ------
    InputError
        As `read_vcf`.
    """
    allele = iter(values)
    with _opened(path) as file, atomic_write(output) as unfinished:
        for _ in _records(path, file):  # declares in the header what was not
            pass
        file.reset()
        for field in fields:
            file.header.info.add(field.id, "A", field.kind, field.description)
        file.header.add_meta("l2g_interp_command", value=" ".join(command.split()))
        with unfinished.open("w", encoding="utf-8", newline="\n") as written:
            written.write(str(file.header))
            for record in _records(path, file):
                _add(record, fields, list(islice(allele, len(record.alts or (MISSING,)))))
                written.write(str(record))


def _add(record: VariantRecord, fields: Sequence[Field], values: Sequence[Mapping[str, float | str]]) -> None:
    if not record.alts:
        return
    for field in fields:
        known = [value.get(field.id, math.nan) for value in values]
        if field.kind == "String":
            record.info[field.id] = tuple(_text(value) for value in known)
        elif not all(math.isnan(value) for value in known if not isinstance(value, str)):
            record.info[field.id] = tuple(None if math.isnan(float(value)) else float(value) for value in known)


def _text(value: float | str) -> str:
    """Text as INFO can hold it: what separates its fields and values is replaced."""
    if not isinstance(value, str) or not value:
        return MISSING
    return "_".join(value.split()).translate(str.maketrans({";": "|", ",": "", "=": ":", "%": ""}))


@contextmanager
def _opened(path: Path) -> Iterator[VariantFile]:
    try:
        import pysam
    except ImportError as error:
        raise missing_extra("reading VCF", "pysam", "variants") from error
    check_readable(path)
    before = pysam.set_verbosity(0)  # it prints about contigs and fields that are not declared
    try:
        with _raising(path, 0):
            opened = pysam.VariantFile(str(path))
        with opened as file:
            yield file
    finally:
        pysam.set_verbosity(before)


def _records(path: Path, file: VariantFile) -> Iterator[VariantRecord]:
    number = 0
    records = iter(file)
    while True:
        with _raising(path, number):
            try:
                record = next(records, None)
            except OSError:
                if _only_blank_after(path, number):
                    return
                raise
        if record is None:
            return
        yield record
        number += 1


@contextmanager
def _raising(path: Path, number: int) -> Iterator[None]:
    """pysam's errors as ours, after ``number`` good records."""
    try:
        yield
    except InputError:
        raise
    except NotImplementedError as error:
        raise InputError(f"{path}: compressed by gzip; unpack it with gunzip, or compress it by bgzip") from error
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: {_reason(path, number) or f'not VCF or BCF ({error}); convert it to VCF'}"
        ) from error


def _lines_after(path: Path, number: int) -> Iterator[tuple[int, str]]:
    """The lines of a VCF after its header and ``number`` records, with their numbers in the file."""
    with open_text(path) as handle:
        lines = ((at, line.rstrip("\r\n")) for at, line in enumerate(handle, 1) if not line.startswith("#"))
        yield from islice(lines, number, None)


def _only_blank_after(path: Path, number: int) -> bool:
    return not any(line.strip() for _, line in _lines_after(path, number))


def _reason(path: Path, number: int) -> str:
    """What is wrong with the line that pysam stopped at, and what to do; empty if that cannot be told."""
    with open_text(path) as handle:
        first: Any = handle.readline()
    if not number and not first.startswith("##fileformat=VCF"):
        return "the first line is not '##fileformat=VCFv4.2' (or 4.1 to 4.5), so it is no VCF; add the header lines"
    at, line = next(_lines_after(path, number), (0, ""))
    fields = line.split("\t")
    if not at:
        return "no line '#CHROM<TAB>POS<TAB>ID<TAB>REF<TAB>ALT<TAB>QUAL<TAB>FILTER<TAB>INFO'; add it before the records"
    if not line.strip():
        return f"line {at} is blank, between records; remove it: grep -v '^[[:space:]]*$'"
    if len(fields) < COLUMNS:
        return f"line {at}: {len(fields)} columns, and a VCF has {COLUMNS}, separated by tabs; fill them with '.'"
    if not fields[1].isdecimal():
        return f"line {at}: {fields[1][:40]!r} is not a position; give a whole number"
    return f"line {at}: {line[:60]!r} cannot be read; correct it, or remove it"
