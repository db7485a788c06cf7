"""Tagged text: CoNLL and IOB files, and the two corpora of the paper by name.

One word per line, its tag in the last column, a blank line between sentences. ``CORPORA`` lists what can be fetched;
their licences do not allow redistribution, so none of them comes with this package.
"""

from __future__ import annotations

import logging
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from l2g_core.datasets.fetch import PARTIAL, download, validator_of
from l2g_core.dna import open_text
from l2g_core.errors import InputError
from l2g_core.runs.files import atomic_write, file_sha256
from l2g_core.runs.lock import FOREVER, lock

log = logging.getLogger(__name__)
TAG = re.compile(r"O|[BIESLU]-\S+")
SKIPPED = ("-DOCSTART-", "###MEDLINE:")


@dataclass(frozen=True)
class Sentence:
    """Words and their tags (``O``, ``B-PER``, ``I-PER``, ...), one for each word."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """A corpus that is known by name.

    ``files``: names that its file may have in the user's own folder, gzipped or not. ``sha256`` is that of the
    download from ``address``, as published in the data set's card of Hugging Face ``datasets``; ``member`` is the file
    inside, if that is an archive.
    """

    title: str
    files: tuple[str, ...]
    address: str
    sha256: str
    member: str = ""


CORPORA = {
    "conll2003": Corpus(
        "CoNLL-2003, English, validation part (Tjong Kim Sang and De Meulder 2003)",
        ("conll2003.txt", "valid.txt", "eng.testa"),
        "https://raw.githubusercontent.com/davidsbatista/NER-datasets/dcb6c7439a7de43abc2448bad5b1d81a47f26c0d/"
        "CONLL2003/valid.txt",
        "f1f6469322876887de1d04acd43c59b02f59d5b02acf42c027132fa1bf349cb2",
    ),
    "jnlpba": Corpus(
        "JNLPBA 2004, evaluation part (Collier et al. 2004)",
        ("jnlpba_test.tsv", "Genia4EReval2.iob2"),
        "http://www.nactem.ac.uk/GENIA/current/Shared-tasks/JNLPBA/Evaluation/Genia4ERtest.tar.gz",
        "f85c3dad6890300ff312fab5e66253767cb2040bd780959b3bb830f03a4b6a12",
        "Genia4EReval2.iob2",
    ),
}


def read_tagged(path: str | Path) -> list[Sentence]:
    """Read a CoNLL or IOB file, plain or gzipped: word first, tag last, columns separated by tabs, or by spaces.

    Raises
    ------
    InputError
        A line has no tag or one that is not of the IOB family, or no word has a tag other than ``O``; the message
        names file, line and remedy.
    """
    with open_text(path) as handle:
        sentences = list(_sentences(str(path), handle))
    if not sentences:
        raise InputError(f"{path}: has no words; a tagged text has a word and its tag on each line")
    if all(tag == "O" for sentence in sentences for tag in sentence.tags):
        raise InputError(
            f"{path}: every word is tagged O, so there are no tags to draw evenly from; give a tagged text, or use "
            "--text vocabulary, which needs none"
        )
    return sentences


def _sentences(path: str, lines: Iterable[str]) -> Iterator[Sentence]:
    words: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith(SKIPPED):
            words.append(_word(path, number, line.rstrip("\r\n")))
        elif words:
            yield Sentence(*zip(*words, strict=True))
            words = []
    if words:
        yield Sentence(*zip(*words, strict=True))


def _word(path: str, number: int, line: str) -> tuple[str, str]:
    columns = line.split("\t") if "\t" in line else line.split()
    if len(columns) < 2 or not columns[0] or not TAG.fullmatch(columns[-1].strip()):
        found = f"{columns[-1][:30]!r} is not a tag" if len(columns) > 1 else "no tag"
        raise InputError(
            f"{path}: line {number}: {line[:40]!r}: {found}; write one word per line and its tag after a tab (O, "
            "B-PER, I-PER, ...), a blank line after each sentence; --text vocabulary needs no file"
        )
    return columns[0], columns[-1].strip()


def corpus_file(
    source: str, folder: str | Path | None = None, cache: str | Path | None = None, download: bool = True
) -> Path:
    """The file of a corpus: ``source`` itself, or one of ``CORPORA`` in ``folder``, in the cache, or fetched into it.

    Parameters
    ----------
    source
        A path, or a name in ``CORPORA``.
    folder
        The user's folder of corpora; if given, nothing else is tried.
    cache
        Where fetched corpora are kept; None for the user's cache.
    download
        Whether the network may be used.

    Raises
    ------
    InputError
        There is no such file or name, or the corpus can neither be found nor fetched; the message says what to put
        where.
    """
    if source not in CORPORA:
        if Path(source).is_file():
            return Path(source)
        raise InputError(f"{source}: no such text; give a tagged file, or one of vocabulary, {', '.join(CORPORA)}")
    corpus = CORPORA[source]
    if folder is not None:
        return _in_folder(corpus, source, Path(folder))
    cached = cache_folder(cache) / corpus.files[0]
    if cached.is_file():
        return cached
    by_hand = (
        f"download {corpus.address} by hand, put {corpus.member or corpus.files[1]} from it into a folder and give "
        "that with --text-dir, or use --text vocabulary"
    )
    if not download:
        raise InputError(f"{source}: is not on this machine, and the network may not be used; {by_hand}")
    try:
        with lock(cached.with_suffix(".lock"), cached, FOREVER, keep_folder=True):  # of several processes, one fetches
            return cached if cached.is_file() else _fetch(corpus, cached)
    except (OSError, ValueError, KeyError, tarfile.TarError) as error:  # requests' errors are OSErrors
        reason = " ".join(str(error).split())
        raise InputError(f"{source}: could not be fetched ({reason}); {by_hand}") from error


def cache_folder(cache: str | Path | None = None) -> Path:
    """The folder for texts and their embeddings, which may not exist yet: the user's cache if none is given."""
    if cache is not None:
        return Path(cache)
    import pooch

    return Path(pooch.os_cache("l2g-interp")) / "text"


def _in_folder(corpus: Corpus, name: str, folder: Path) -> Path:
    for file in (f for plain in corpus.files for f in (plain, plain + ".gz")):
        if (folder / file).is_file():
            return folder / file
    raise InputError(
        f"{folder}: no {name} here; put it there as {' or '.join(corpus.files)} (gzipped or not), from {corpus.address}"
    )


def _fetch(corpus: Corpus, target: Path) -> Path:
    """Download, check against the published sha256, and put the text in place by an atomic write."""
    log.info("fetching %s from %s", corpus.title, corpus.address)
    target.parent.mkdir(parents=True, exist_ok=True)
    fetched = target.with_name(corpus.sha256[:16] + PARTIAL)
    download(corpus.address, fetched, corpus.title)
    validator_of(fetched).unlink(missing_ok=True)
    if (found := file_sha256(fetched)) != corpus.sha256:
        fetched.unlink()
        raise ValueError(f"it has sha256 {found}, expected {corpus.sha256}")
    with atomic_write(target) as unfinished:
        unfinished.write_bytes(_member(fetched, corpus.member) if corpus.member else fetched.read_bytes())
    fetched.unlink()
    return target


def _member(archive: Path, name: str) -> bytes:
    """The content of one file of a tar archive; nothing is extracted to a path that the archive names."""
    with tarfile.open(archive) as tar:
        found = next((m for m in tar.getmembers() if m.isfile() and Path(m.name).name == name), None)
        opened = tar.extractfile(found) if found is not None else None
        if opened is None:
            raise ValueError(f"no {name} in the archive")
        return opened.read()
