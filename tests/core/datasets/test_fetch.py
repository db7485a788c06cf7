"""Fetching data sets from a server of our own that breaks off, changes its files and knows ranges, or not."""

from __future__ import annotations

import hashlib
import http.server
import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from l2g_core.cli import main as l2g
from l2g_core.datasets import DATASETS, Entry, File, fetch
from l2g_core.datasets.fingerprint import recorded
from l2g_core.errors import InputError
from l2g_core.runs.files import file_sha256
from l2g_core.runs.ledger import PLACE
from l2g_core.runs.lock import lock

CONTENT = bytes(range(256)) * 2000  # half a megabyte


@dataclass
class Server:
    """What it serves, how, and what it was asked and has sent."""

    address: str = ""
    content: bytes = CONTENT
    tag: str = '"one"'
    cut_at: int | None = None
    ranges: bool = True
    found: bool = True
    asked: list[str | None] = field(default_factory=list)
    sent: list[tuple[int, int]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    serving = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            serving.asked.append(self.headers.get("Range"))
            if not serving.found:
                self.send_error(404)
                return
            wanted = self.headers.get("Range") if serving.ranges else None
            same = self.headers.get("If-Range", serving.tag) == serving.tag
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and same else 0
            if start and start >= len(serving.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(serving.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if serving.tag:
                self.send_header("ETag", serving.tag)
            self.send_header("Content-Length", str(len(serving.content) - start))
            self.end_headers()
            piece = serving.content[start : serving.cut_at]
            serving.sent.append((start, len(piece)))
            self.wfile.write(piece)
            self.close_connection = True

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    serving.address = f"http://127.0.0.1:{running.server_port}"
    yield serving
    running.shutdown()
    thread.join()
    running.server_close()


def entry(server: Server, sha256: str = "") -> Entry:
    file = File("train.fna", f"{server.address}/H3/train.fna", sha256)
    return replace(DATASETS["nt-H3"], files=(file,))


def test_a_fetched_file_is_whole_recorded_and_not_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(entry(server), tmp_path, shown=False)
    assert (tmp_path / "train.fna").read_bytes() == CONTENT
    assert recorded(tmp_path) == {"train.fna": hashlib.sha256(CONTENT).hexdigest()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SHA256SUMS", "train.fna"]
    fetch(entry(server), tmp_path, shown=False)
    assert len(server.asked) == 1


def test_an_interrupted_download_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.cut_at = 300_000
    with pytest.raises(InputError, match=r"could not be fetched .* bytes are kept, run it again") as error:
        fetch(entry(server), tmp_path, shown=False)
    assert not (tmp_path / "train.fna").exists()
    kept = (tmp_path / "train.fna.part").stat().st_size
    assert 250_000 < kept <= 300_000
    assert f"{kept:,} bytes" in str(error.value)
    server.cut_at = None
    fetch(entry(server), tmp_path, shown=False)
    assert server.asked == [None, f"bytes={kept}-"]
    assert server.sent == [(0, 300_000), (kept, len(CONTENT) - kept)]
    assert (tmp_path / "train.fna").read_bytes() == CONTENT


def test_a_file_that_changed_in_between_is_fetched_again(server: Server, tmp_path: Path) -> None:
    server.cut_at = 300_000
    with pytest.raises(InputError):
        fetch(entry(server), tmp_path, shown=False)
    server.cut_at, server.tag, server.content = None, '"two"', CONTENT[::-1]
    fetch(entry(server), tmp_path, shown=False)
    assert (tmp_path / "train.fna").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("change", [{"ranges": False}, {"tag": ""}], ids=["no ranges", "no tag"])
def test_a_server_that_cannot_resume_sends_the_whole_file(server: Server, tmp_path: Path, change: dict) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    server.cut_at = 300_000
    with pytest.raises(InputError):
        fetch(entry(server), tmp_path, shown=False)
    server.cut_at = None
    fetch(entry(server), tmp_path, shown=False)
    assert (tmp_path / "train.fna").read_bytes() == CONTENT


def test_a_download_that_was_whole_but_not_in_place_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "train.fna.part").write_bytes(CONTENT)
    (tmp_path / "train.fna.part.etag").write_text('"one"')
    fetch(entry(server), tmp_path, shown=False)
    assert server.sent == []
    assert (tmp_path / "train.fna").read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_nothing_stays(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"has sha256 {hashlib.sha256(CONTENT).hexdigest()}, expected 1111"):
        fetch(entry(server, "1" * 64), tmp_path, shown=False)
    assert list(tmp_path.iterdir()) == []


def test_a_later_file_that_differs_from_the_recorded_one_is_refused(server: Server, tmp_path: Path) -> None:
    fetch(entry(server), tmp_path, shown=False)
    (tmp_path / "train.fna").unlink()
    server.content = CONTENT[:-1]
    with pytest.raises(InputError, match=r"expected .*SHA256SUMS"):
        fetch(entry(server), tmp_path, shown=False)
    assert not (tmp_path / "train.fna").exists()


def test_a_spoilt_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(entry(server), tmp_path, shown=False)
    (tmp_path / "train.fna").write_bytes(CONTENT[:100])
    fetch(entry(server), tmp_path, shown=False)
    assert file_sha256(tmp_path / "train.fna") == recorded(tmp_path)["train.fna"]


def test_what_is_not_there_or_nobody_serves_tells_how_to_get_it_by_hand(server: Server, tmp_path: Path) -> None:
    server.found = False
    with pytest.raises(InputError, match=r"404.*by hand.*--data-dir"):
        fetch(entry(server), tmp_path, shown=False)
    with pytest.raises(InputError, match="could not be fetched"):
        fetch(entry(server), tmp_path, address="http://127.0.0.1:9", shown=False)
    assert list(tmp_path.iterdir()) == []


def test_the_command_fetches_and_the_data_set_opens(server: Server, tmp_path: Path) -> None:
    server.content = "".join(f">r{i}|{i % 2}\n{'ACGT' * 5}{'ACGT'[i % 4]}\n" for i in range(8)).encode()
    fetched = CliRunner().invoke(
        l2g, ["--quiet", "fetch", "nt-H3", "--data-dir", str(tmp_path), "--address", server.address]
    )
    assert fetched.exit_code == 0, fetched.output
    assert fetched.stdout == f"nt-H3\t{tmp_path}\n"
    assert sorted(recorded(tmp_path)) == ["test.fna", "train.fna"]


@pytest.mark.parametrize(("name", "says"), [("gb-demo_human_or_worm", "genomic-benchmarks"), ("nt-H5", "nt-H3|nt-H4")])
def test_what_cannot_be_fetched_says_why(name: str, says: str) -> None:
    done = CliRunner().invoke(l2g, ["fetch", name])
    assert done.exit_code == 2
    assert says.split("|")[0] in done.stderr or says.split("|")[-1] in done.stderr


def _hold(folder: Path, ready, release) -> None:
    with lock(folder / PLACE / "fetch.lock", folder):
        ready.set()
        release.wait(60)


def test_a_second_process_does_not_fetch_into_the_same_folder(server: Server, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    first = context.Process(target=_hold, args=(tmp_path, ready, release))
    first.start()
    assert ready.wait(60)
    with pytest.raises(InputError, match=f"another process is writing it .process {first.pid} on "):
        fetch(entry(server), tmp_path, shown=False)
    assert server.asked == []
    release.set()
    first.join()
    fetch(entry(server), tmp_path, shown=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SHA256SUMS", "train.fna"]
