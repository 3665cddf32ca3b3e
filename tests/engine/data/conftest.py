"""A web server on this machine with the bad habits of real ones; experiments made of their data section."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data import download
from wmse_tui.engine.data.download import RemoteFile


@dataclass
class Page:
    """What the server answers for one path, and which ranges were requested of it."""

    body: bytes = b""
    status: int = 200
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    """After how many bytes each coming answer breaks off; once empty, answers are whole."""
    stalls: bool = False
    """Answers that break off are not ended: nothing more comes until the client gives up."""
    failures: list[int] = field(default_factory=list)
    """Statuses of the coming answers, before the usual ones."""
    shift: int = 0
    """By how much the ranges that are sent differ from those that were requested."""
    requested: list[str | None] = field(default_factory=list)


class Server:
    """Pages by path, on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path)
                requested = self.headers.get("Range")
                if page is not None:
                    page.requested.append(requested)
                if page is None or page.failures or page.status != 200:
                    status = 404 if page is None else page.failures.pop(0) if page.failures else page.status
                    self.send_error(status)
                    return
                start = int(requested.removeprefix("bytes=").rstrip("-")) if requested and page.ranges else 0
                if start > 0 and start >= len(page.body):
                    self.send_error(416)
                    return
                start += page.shift if start else 0
                body = page.body[start:]
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                cut = page.cuts.pop(0) if page.cuts else None
                self.wfile.write(body[:cut])
                if cut is not None and page.stalls:
                    self.connection.recv(1)
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        class Listener(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up is nothing to talk about."""

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def publish(self, name: str, body: bytes, *, magic: bytes = b"\x1f\x8b") -> tuple[RemoteFile, Page]:
        """Serve `body` as /name."""
        page = self.pages[f"/{name}"] = Page(body=body)
        md5 = hashlib.md5(body).hexdigest()
        return RemoteFile(url=f"{self.address}/{name}", name=name, size=len(body), md5=md5, magic=magic), page

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server; retries do not wait."""
    monkeypatch.setattr(download, "RETRY_SECONDS", (0.0, 0.0, 0.0))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    running = Server()
    yield running
    running.close()


@pytest.fixture
def progress() -> Callable[[str, float, float, str], None]:
    """Listens and prints nothing."""
    return lambda _name, _done, _total, _unit: None


@pytest.fixture
def experiment_on() -> Callable[..., Experiment]:
    """Makes an experiment from its data section, with batches of two images, as the sets here are small."""
    others = {"method": {"name": "simclr"}, "schedule": {"kind": "constant", "batch_size": 2}}
    return lambda **dataset: Experiment.model_validate({"dataset": dataset, **others})
