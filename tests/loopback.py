"""A web server on this machine that can misbehave in the ways that real ones do."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How to answer a request.

    Attributes:
        data: The file.
        status: Something else than 200 is sent without it.
        ranges: Whether a part of it can be had.
        astray: Whether to send another part than was asked for.
        etag: Name of the version, or nothing.
        stop_after: Close the connection after so many bytes of the answer.
        wait_after: Send nothing more for ``wait`` seconds after so many bytes of the answer.
        wait: Seconds.
        sized: Whether to say how long the answer is.
    """

    data: bytes = b""
    status: int = 200
    ranges: bool = True
    astray: bool = False
    etag: str = '"first"'
    stop_after: int | None = None
    wait_after: int = 0
    wait: float = 0.0
    sized: bool = True


@dataclass
class Loopback:
    """Serve a file while inside the ``with`` block.

    Attributes:
        answers: What to do for the first request, the second, and so on; the last for all others.
        requests: The ``Range`` that each request had, or None.
        sent: Bytes of the file that were sent.
    """

    answers: Sequence[Answer]
    requests: list[str | None] = field(default_factory=list)
    sent: int = 0

    def __enter__(self) -> Loopback:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def address(self, name: str = "weights.bin") -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{name}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        wanted = handler.headers["Range"]
        self.requests.append(wanted)
        if answer.status != 200:
            handler.send_error(answer.status)
            return
        start = 0
        condition = handler.headers["If-Range"]
        if wanted and answer.ranges and condition in (None, answer.etag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(answer.data) > 0:
            handler.send_error(416)
            return
        start -= int(answer.astray and start > 0)
        body = answer.data[start:]
        handler.send_response(206 if start else 200)
        if start:
            end = len(answer.data) - 1
            handler.send_header("Content-Range", f"bytes {start}-{end}/{len(answer.data)}")
        if answer.etag:
            handler.send_header("ETag", answer.etag)
        if answer.sized:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        self.send(handler, body[: answer.stop_after], answer)

    def send(self, handler: BaseHTTPRequestHandler, body: bytes, answer: Answer) -> None:
        first = answer.wait_after if answer.wait else len(body)
        for part in (body[:first], body[first:]):
            try:
                handler.wfile.write(part)
                handler.wfile.flush()
            except OSError:  # the client went away
                return
            self.sent += len(part)
            if answer.wait:
                time.sleep(answer.wait)
