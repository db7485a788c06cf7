"""Find a database's file in the user's folder or cache, or fetch it."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from motif_db.catalogue import Entry, available
from motif_db.motif import MotifError

UNFINISHED, LONG_AGO = "fetching-", 86_400.0  # the prefix of folders for downloads; seconds
log = logging.getLogger(__name__)


def find_or_fetch(
    entry: Entry,
    motif_dir: str | Path | None = None,
    download: bool = True,
    cache: str | Path | None = None,
    address: str | None = None,
) -> Path:
    """The file of a download: the user's copy, else the cached one, else fetched into the cache.

    The unpacked file is checked against the catalogue's sha256 before it appears in the cache under its name, and
    a cached file again before it is used. Parameters as in `motif_db.load_database`.

    Raises
    ------
    MotifError
        ``motif_dir`` is not a folder; the file is missing and must not or cannot be fetched; or the fetched file is not
        the published one. The message says how to get it by hand.
    """
    if motif_dir is not None:
        if not Path(motif_dir).is_dir():
            raise MotifError(f"{motif_dir}: no such folder of motif files; check --motif-dir")
        for name in (entry.file, entry.file + ".gz"):
            if (mine := Path(motif_dir) / name).is_file():
                return mine
    cached = cache_folder(cache) / entry.file
    if cached.is_file() and _sha256(cached.read_bytes()) == entry.sha256:
        return cached
    address = address or entry.source
    by_hand = f"get {address} by hand, unpack {entry.member} (plain or .gz) into a folder and give it as --motif-dir"
    if not download:
        raise MotifError(f"{entry.name}: {entry.file} is missing and the network may not be used; {by_hand}")
    try:
        return _fetch(entry, cached, address)
    except (OSError, ValueError, EOFError, KeyError, tarfile.TarError) as error:
        # requests' errors are OSErrors; pooch raises ValueError for an address that it cannot parse
        reason = " ".join(str(error).split())
        raise MotifError(f"{entry.name}: could not be fetched ({reason}); {by_hand}") from error


def cache_folder(cache: str | Path | None = None) -> Path:
    """The folder for downloads; it need not exist yet."""
    if cache is not None:
        return Path(cache)
    import pooch

    return Path(pooch.os_cache("l2g-interp"))


def _fetch(entry: Entry, target: Path, address: str) -> Path:
    """Fetch the archive, extract the files that the catalogue lists, and put them in place once they are checked."""
    log.info("fetching %s from %s", entry.title, address)
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{UNFINISHED}*"):  # of a process that was killed
        if time.time() - left.stat().st_mtime > LONG_AGO:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=target.parent) as folder:
        # The checksum of the archive changes with each of its releases; what counts is the file inside.
        archive = Path(folder) / "archive.tgz"
        _download(address, archive, entry.title)
        with tarfile.open(archive) as tar:
            content = _member(tar, entry)
            # One archive holds several databases: keep the others too, so that it is fetched once.
            others = [other for other in available().values() if other.source == entry.source and other != entry]
            found = [(other, _member(tar, other)) for other in others if other.member in tar.getnames()]
        if (sha256 := _sha256(content)) != entry.sha256:
            raise ValueError(f"{entry.member} has sha256 {sha256}, expected {entry.sha256}")
        for known, known_content in [(entry, content), *found]:
            if _sha256(known_content) == known.sha256:
                unfinished = Path(folder) / known.file
                unfinished.write_bytes(known_content)
                unfinished.replace(target.parent / known.file)
    return target


def _download(address: str, path: Path, what: str) -> None:
    """Stream one http(s) address into a file, with progress on stderr if that is a terminal."""
    import pooch
    from rich.console import Console
    from rich.progress import Progress

    opened: list = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"fetching {what}", total=None)
        bar = SimpleNamespace(total=0, reset=lambda: None, close=lambda: None)
        bar.update = lambda n: progress.update(task, advance=n, total=bar.total or None)
        # pooch leaves the connection open where the server answers with an error
        hooks = {"response": lambda response, **_: opened.append(response)}
        try:
            pooch.HTTPDownloader(progressbar=bar, hooks=hooks)(address, str(path), None)  # type: ignore[arg-type]
        finally:
            for response in opened:
                response.close()


def _member(tar: tarfile.TarFile, entry: Entry) -> bytes:
    """The content of one file of the archive; nothing is ever unpacked to a path given by the archive."""
    member = tar.extractfile(entry.member)
    if member is None:
        raise ValueError(f"{entry.member} in the archive is not a file")
    return member.read()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
