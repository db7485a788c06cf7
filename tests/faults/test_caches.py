"""One cache folder and several processes that find it empty at the same moment: all get the same, nothing is left."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import motif_db
from l2g_core.align import corpora
from l2g_core.align.options import TextOptions
from l2g_core.align.text import text_reference
from l2g_core.dna import read_bed
from motif_db import catalogue

N = 4
TAGGED = "Immunoglobulin B-PER\nbinds O\nglucocorticoids I-PER\n\nU.N. B-ORG\nmeets O\n"
MEME = (
    "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF M1 x\n\nletter-probability matrix: alength= 4 w= 2\n1 0 0 0\n0 1 0 0\n"
)


def at_once(function: Callable[[], Any], n: int = N) -> list[Any]:
    """What the function returns in each of ``n`` processes that call it at the same moment."""
    context = multiprocessing.get_context("fork")
    start, answers = context.Barrier(n), context.SimpleQueue()
    running = [context.Process(target=_answer, args=(function, start, answers)) for _ in range(n)]
    for process in running:
        process.start()
    found = [answers.get() for _ in running]
    for process in running:
        process.join()
    return found


def _answer(function: Callable[[], Any], start: Any, answers: Any) -> None:
    torch.set_num_threads(1)
    start.wait()
    try:
        answers.put(function())
    except Exception as error:
        answers.put(error)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which another process serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.02)
        yield folder, f"http://127.0.0.1:{port}"
        process.terminate()


def test_a_text_is_fetched_by_one_of_them(served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = served
    text = (TAGGED * 50_000).encode()
    (folder / "corpus").write_bytes(text)
    plain = next(name for name, known in corpora.CORPORA.items() if not known.member)
    here = replace(corpora.CORPORA[plain], address=f"{address}/corpus", sha256=hashlib.sha256(text).hexdigest())
    monkeypatch.setitem(corpora.CORPORA, plain, here)
    cache = tmp_path / "cache"
    (path,) = set(at_once(lambda: corpora.corpus_file(plain, cache=cache)))
    assert path.read_bytes() == text
    assert list(cache.iterdir()) == [path]


@pytest.mark.slow
def test_a_text_is_embedded_by_one_of_them(tmp_path: Path) -> None:
    corpus, cache = tmp_path / "corpus.txt", tmp_path / "cache"
    corpus.write_text(TAGGED)
    options = TextOptions(str(corpus), per_tag=2)
    found = at_once(lambda: text_reference("minilm", options, cache=cache).embeddings.numpy(), n=2)
    assert all(np.array_equal(one, found[0]) for one in found)
    (file,) = cache.iterdir()
    assert file.suffix == ".safetensors"


def test_a_motif_database_is_fetched_by_all_of_them(served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = served
    entry = catalogue.available()["onthefly"]
    with tarfile.open(folder / "m.tgz", "w:gz") as tar:
        info = tarfile.TarInfo(entry.member)
        info.size = len(MEME)
        tar.addfile(info, io.BytesIO(MEME.encode()))
    known = replace(entry, sha256=hashlib.sha256(MEME.encode()).hexdigest())
    monkeypatch.setattr(catalogue, "ENTRIES", tuple(known if e == entry else e for e in catalogue.ENTRIES))
    cache = tmp_path / "cache"
    found = at_once(lambda: [motif.id for motif in motif_db.load("onthefly", cache=cache, address=f"{address}/m.tgz")])
    assert found == [["M1"]] * N
    assert [path.name for path in cache.iterdir()] == [entry.file]


def test_a_genome_is_indexed_by_all_of_them(tmp_path: Path) -> None:
    genome, places = tmp_path / "genome.fa", tmp_path / "places.bed"
    genome.write_text("".join(f">chr{i}\n" + "ACGTTGCAAC\n" * 2000 for i in range(20)))
    places.write_text("chr7\t100\t110\n")
    found = at_once(lambda: read_bed(places, genome).sequences)
    assert found == [["ACGTTGCAAC"]] * N
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genome.fa", "genome.fa.fai", "places.bed"]
