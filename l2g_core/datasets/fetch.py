"""Fetching a data set's files into the user's cache: downloads resume, are checked, and appear only when complete."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from l2g_core.datasets.entry import Entry, File
from l2g_core.datasets.fingerprint import SUMS, record, recorded
from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256
from l2g_core.runs.ledger import PLACE
from l2g_core.runs.lock import lock

log = logging.getLogger(__name__)
PARTIAL, VALIDATOR = ".part", ".part.etag"
CHUNK = 1 << 14  # bytes; an interrupted download loses at most this many


def dataset_folder(entry: Entry) -> Path:
    """Where the files of a data set are kept; it need not exist yet."""
    import pooch

    return Path(pooch.os_cache("l2g-interp")) / "datasets" / entry.name


def is_here(entry: Entry) -> bool:
    """Whether all its files are there."""
    folder = dataset_folder(entry)
    return bool(entry.files) and all((folder / file.path).is_file() for file in entry.files)


def fetch(entry: Entry, folder: str | Path | None = None, *, address: str | None = None, shown: bool = True) -> Path:
    """Fetch the files that are missing; an interrupted download resumes where it stopped.

    If the publisher of a file states no hash, that of the first download counts: ``SHA256SUMS`` in the folder records
    it, and a file with another hash is refused. To get the same files as a colleague, put their ``SHA256SUMS`` there
    first.

    Parameters
    ----------
    folder
        Where to put it; by default the cache, where `open_dataset` looks.
    address
        A base URL to take the files from, instead of their publisher's.
    shown
        Show a progress bar.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        A file cannot be fetched, or its hash is not the expected one.
    """
    if not entry.files:
        raise InputError(f"{entry.name}: cannot be downloaded automatically; {entry.how_to_get}")
    folder = Path(folder) if folder is not None else dataset_folder(entry)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder / PLACE / "fetch.lock", folder):
        for file in entry.files:
            where = f"{address.rstrip('/')}/{file.path}" if address else file.address
            _fetch_file(file, folder, where, entry, shown)
    return folder


def _fetch_file(file: File, folder: Path, address: str, entry: Entry, shown: bool) -> None:
    target = folder / file.path
    expected = file.sha256 or recorded(folder).get(file.path, "")
    if target.is_file() and expected and file_sha256(target) == expected:
        log.info("%s already exists", target)
        return
    partial = target.with_name(target.name + PARTIAL)
    log.info("fetching %s", address)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        download(address, partial, file.path, shown)
    except (
        OSError,
        ValueError,
    ) as error:  # requests raises OSErrors; pooch a ValueError for an address that it cannot parse
        reason = " ".join(str(error).split())
        raise InputError(
            f"{entry.name}: {address} could not be fetched ({reason}); {_kept(partial)}or get {entry.source} by hand "
            "and give its folder with --data-dir"
        ) from error
    found = file_sha256(partial)
    validator_of(partial).unlink(missing_ok=True)
    if expected and found != expected:
        partial.unlink()
        raise InputError(
            f"{entry.name}: {address} has sha256 {found}, expected {expected}; fetch it again, or delete its line in "
            f"{folder / SUMS} if the new file is the right one"
        )
    partial.replace(target)
    record(folder, {file.path: found})


def download(address: str, partial: Path, what: str, shown: bool = True) -> None:
    """Stream into a file that may have the beginning already (HTTP range request).

    ``If-Range`` makes the server send the complete file if it has changed since; servers without range support do so
    anyway.
    """
    import pooch

    validator = validator_of(partial)
    have = partial.stat().st_size if partial.is_file() and validator.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator.read_text(encoding="utf-8")}
    opened: list[Any] = []
    with partial.open("r+b" if have else "w+b") as handle, _bar(what, shown, have) as bar:
        handle.seek(have)

        def begin(response: Any, **_: Any) -> None:
            opened.append(response)
            if response.status_code == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
                raise _AlreadyComplete
            if response.ok and not response.is_redirect:
                _start_at(response, handle, validator)

        hooks = {"response": begin}
        try:
            downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK, headers=headers, hooks=hooks)
            downloader(address, handle, None)  # type: ignore[arg-type]
        except _AlreadyComplete:
            log.info("%s was complete already", partial)
        finally:
            for response in opened:  # pooch leaves the connection open where the server answers with an error
                response.close()


def validator_of(partial: Path) -> Path:
    """The file that says which version of the publisher's file a partial one is the beginning of."""
    return partial.with_name(partial.name.removesuffix(PARTIAL) + VALIDATOR)


def _kept(partial: Path) -> str:
    """What is kept of an interrupted download, in words; an empty file is removed."""
    if not partial.is_file():
        return ""
    if not (size := partial.stat().st_size):
        partial.unlink()
        return ""
    return f"{size:,} bytes are kept, run it again to resume; "


class _AlreadyComplete(Exception):
    """The server has no bytes beyond those in the partial file."""


def _start_at(response: Any, handle: IO[bytes], validator: Path) -> None:
    """Write from the beginning unless the server continues where the file ends; store the ETag for resuming."""
    if response.status_code != 206:
        handle.seek(0)
        handle.truncate()
    tag = response.headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    if strong:
        validator.write_text(strong, encoding="utf-8")
    else:
        validator.unlink(
            missing_ok=True
        )  # without a strong validator a changed file could not be detected: do not resume


@contextmanager
def _bar(what: str, shown: bool, have: int) -> Iterator[Any]:
    """A progress bar with the interface that pooch expects: rate and time left, starting at ``have`` bytes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True, quiet=not shown)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None, completed=have)
        bar = SimpleNamespace(total=0, close=lambda: None)
        bar.update = lambda n: progress.update(task, advance=n, total=have + bar.total if bar.total else None)
        bar.reset = lambda: setattr(bar, "update", lambda n: None)  # pooch counts all bytes a second time at the end
        yield bar
