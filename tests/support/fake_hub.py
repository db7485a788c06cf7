"""A local server with the few endpoints of the Hugging Face Hub that a download and an upload ask for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server holds: files by repository and path. ``asked``: the requests so far."""

    endpoint: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def fake_hub() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_POST(self) -> None:
            path = self._path()
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if path == "/api/repos/create":
                asked = json.loads(sent)
                name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
                hub.repositories.setdefault(name, {})
                self._json({"url": f"{hub.endpoint}/{name}", "name": name, "id": name})
            elif path == "/api/validate-yaml":  # of a card
                self._json({"errors": [], "warnings": []})
            elif "/preupload/" in path:
                files = [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for f in json.loads(sent)["files"]
                ]
                self._json({"files": files})
            elif "/commit/" in path:
                name = "/".join(path.split("/")[3:5])
                for line in sent.splitlines():
                    entry = json.loads(line)
                    if entry["key"] == "file":
                        hub.repositories[name][entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                self._json(
                    {"commitUrl": f"{hub.endpoint}/{name}/commit/{COMMIT}", "commitOid": COMMIT, "success": True}
                )
            else:
                self._missing()

        def _answer(self, body: bool) -> None:
            parts = self._path().strip("/").split("/")
            if parts[:2] == ["api", "models"] and "/".join(parts[2:4]) in hub.repositories:
                files = hub.repositories["/".join(parts[2:4])]
                if "tree" in parts:
                    self._json([{"type": "file", "path": p, "size": len(c), "oid": _sha(c)} for p, c in files.items()])
                else:
                    self._json(
                        {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": [{"rfilename": p} for p in files]}
                    )
            elif "resolve" in parts and (files := hub.repositories.get("/".join(parts[:2]))):
                content = files.get("/".join(parts[4:]))
                if content is None:
                    return self._missing("EntryNotFound")
                self._send(content, "application/octet-stream", body, {"ETag": f'"{_sha(content)}"'})
            else:
                self._missing("RepoNotFound")

        def _path(self) -> str:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            return path

        def _json(self, content: object) -> None:
            self._send(json.dumps(content).encode(), "application/json", True, {})

        def _missing(self, code: str = "RepoNotFound") -> None:
            self._send(b"{}", "application/json", True, {"X-Error-Code": code}, status=404)

        def _send(self, content: bytes, kind: str, body: bool, headers: dict[str, str], status: int = 200) -> None:
            self.send_response(status)
            for key, value in {"Content-Type": kind, "X-Repo-Commit": COMMIT, **headers}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body and self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    return Handler


def _sha(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
