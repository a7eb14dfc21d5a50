"""A hub of one's own on this machine: it speaks as much of the hub's protocol as a download needs."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(ThreadingHTTPServer):
    """Serves files until the with block ends.

    Attributes:
        files: "owner/name/path" → content; all in revision main, whose commit is COMMIT.
        gated: Repositories whose terms nobody has accepted.
        status: Answers everything with this instead, if set.
        cuts: This many downloads break off after `cut_after` of the file.
        requests: What was asked for, such as "GET owner/name/path bytes=5-".
        tokens: The Authorization header of every request; None where there was none.
        elsewhere: Sends whoever asks for content to this host, as the hub does for large files.
        announced: States this many bytes, however many there are.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.gated: set[str] = set()
        self.status = 0
        self.cuts = 0
        self.cut_after = 0.5
        self.requests: list[str] = []
        self.tokens: list[str | None] = []
        self.elsewhere = ""
        self.announced = 0

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT must be."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def downloads(self) -> list[str]:
        """Returns the requests that asked for content."""
        return [request for request in self.requests if request.startswith("GET")]

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def log_message(self, *_: object) -> None:
        """Keeps the tests' output clean."""

    def _answer(self, *, with_content: bool) -> None:
        owner, name, verb, revision, path = (*self.path.strip("/").split("/", 4), "", "", "", "")[:5]
        repository = f"{owner}/{name}"
        wanted = self.headers.get("Range", "")
        self.server.tokens.append(self.headers.get("Authorization"))
        self.server.requests.append(f"{self.command} {repository}/{path} {wanted}".strip())
        content = self.server.files.get(f"{repository}/{path}")
        if self.server.status:
            self._refuse(self.server.status, "")
        elif verb != "resolve" or not any(known.startswith(f"{repository}/") for known in self.server.files):
            self._refuse(404, "RepoNotFound")
        elif repository in self.server.gated:
            self._refuse(403, "GatedRepo")
        elif revision not in {"main", COMMIT}:
            self._refuse(404, "RevisionNotFound")
        elif content is None:
            self._refuse(404, "EntryNotFound")
        elif self.server.elsewhere:
            self._redirect(content)
        else:
            self._send(content, wanted, with_content=with_content)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _redirect(self, content: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.elsewhere + self.path)
        self.send_header("X-Linked-ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes, wanted: str, *, with_content: bool) -> None:
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        size = self.server.announced or len(content)
        self.send_header("X-Linked-Size", str(size))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        if not with_content:
            return
        stop = len(content)
        if self.server.cuts:
            self.server.cuts -= 1
            stop = int(stop * self.server.cut_after)
            self.close_connection = True
        self.wfile.write(content[start:stop])
