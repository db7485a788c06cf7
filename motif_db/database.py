"""Load a motif database by name or path, with its provenance."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from motif_db.catalogue import Entry, available
from motif_db.elements import element_motifs
from motif_db.fetch import find_or_fetch
from motif_db.formats import database_name, parse_motifs, read_unpacked
from motif_db.jaspar import jaspar_motifs
from motif_db.motif import Motif, MotifError
from motif_db.names import labelled

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Database:
    """The motifs of one database and where they came from.

    ``sha256`` is the hash of the unpacked file (empty for a database inside a package); ``entry`` is its row in the
    catalogue, None for a user's own file; ``as_published`` is False where the file differs from the published one.
    """

    name: str
    motifs: list[Motif]
    file: str
    sha256: str
    entry: Entry | None = None
    as_published: bool = True

    def provenance(self) -> dict[str, Any]:
        """What to store in the record of a run: strings, numbers and booleans only."""
        known = {} if self.entry is None else {k: getattr(self.entry, k) for k in ("release", "licence", "citation")}
        return {
            "name": self.name,
            "file": self.file,
            "sha256": self.sha256,
            "as_published": self.as_published,
            "motifs": len(self.motifs),
            **known,
        }


def load(
    name_or_path: str | Path,
    motif_dir: str | Path | None = None,
    download: bool = True,
    cache: str | Path | None = None,
    address: str | None = None,
) -> list[Motif]:
    """The motifs of a database, without its provenance: see `load_database` for parameters and errors."""
    return load_database(name_or_path, motif_dir, download, cache, address).motifs


def load_database(
    name_or_path: str | Path,
    motif_dir: str | Path | None = None,
    download: bool = True,
    cache: str | Path | None = None,
    address: str | None = None,
) -> Database:
    """Load a database of the catalogue, or any MEME, JASPAR, HOMER, HOCOMOCO or TRANSFAC file.

    Parameters
    ----------
    name_or_path
        A name in `available`, otherwise a path.
    motif_dir
        Folder with the user's own copies of the downloads, under their usual names, plain or ``.gz``. It takes
        precedence over the cache. A copy that is not the published file is used, but a warning is logged and
        ``as_published`` is False.
    download
        Whether the network may be used if a download is neither in ``motif_dir`` nor in the cache.
    cache
        Folder for downloads; the user's cache by default.
    address
        Where to fetch the archive from, instead of the catalogue's address.

    Returns
    -------
    Database
        Its motifs, labelled with the names that people use, as PPMs ``(4, width)``; and where they came from.

    Raises
    ------
    MotifError
        No such name or file, or the file is not usable (see `read_motifs`) or could not be fetched; the message says
        what to do.
    """
    entry = available().get(str(name_or_path))
    if entry is None:
        database = _from_path(Path(name_or_path))
    elif entry.kind == "package":
        database = Database(entry.name, jaspar_motifs(entry), "pyjaspar", "", entry)
    elif entry.kind == "shipped":
        return Database(entry.name, element_motifs(entry.name), entry.source, "", entry)
    else:
        database = _from_download(entry, motif_dir, download, cache, address)
    fly = entry is None or entry.organism != "vertebrates"
    return replace(database, motifs=labelled(database.motifs, fly))


def _from_path(path: Path) -> Database:
    if not path.exists():
        names = ", ".join(available())
        raise MotifError(f"{path}: neither a motif file nor a database; databases by name: {names}")
    content = read_unpacked(path)
    motifs = parse_motifs(content, str(path), database_name(path))
    return Database(database_name(path), motifs, str(path), hashlib.sha256(content).hexdigest())


def _from_download(
    entry: Entry,
    motif_dir: str | Path | None,
    download: bool,
    cache: str | Path | None,
    address: str | None,
) -> Database:
    path = find_or_fetch(entry, motif_dir, download, cache, address)
    content = read_unpacked(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != entry.sha256:
        log.warning("%s is not the published %s (sha256 %s, not %s)", path, entry.title, sha256, entry.sha256)
    motifs = parse_motifs(content, str(path), entry.name)
    return Database(entry.name, motifs, str(path), sha256, entry, sha256 == entry.sha256)
