"""A real MLflow server, and a proxy before it that does what networks and servers do to a request."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

START_SECONDS = 240.0
LATE = 0.3


class Server:
    """`mlflow server`, on this machine only; it may be killed and started again.

    Args:
        folder: Where its log, and by default its store and its files, lie.
        store: Another database than an SQLite file.
        files: Another place for the files than a folder.
        options: More of its command line.
        environment: More of its environment.
    """

    def __init__(
        self,
        folder: Path,
        store: str | None = None,
        files: str | None = None,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._store = store or f"sqlite:///{folder}/s.db"
        self._files = files or (folder / "files").as_uri()
        self._options, self._environment = options, environment or {}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self._store]
        command += ["--artifacts-destination", self._files, "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), *self._options]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **self._environment},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, (
                self.folder / "server.log"
            ).read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, number: int) -> None:
        """Sends a signal to the server and its workers: SIGSTOP makes it hang, SIGCONT go on."""
        os.killpg(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()


class Proxy:
    """Passes requests on to a server, unless it is told what else to do with them.

    Attributes:
        status: Answers every request with this status in place of the server; None passes them on.
        lose: The end of a path -> how many of its answers never arrive, although the server did what was asked.
        delay: The end of a path -> how many of its requests nobody answers, and the server does `LATE` seconds later.
        requests: How many came.
        authorization: What the last one was authorized with.
    """

    def __init__(self, port: int) -> None:
        self.status: int | None = None
        self.lose: Counter[str] = Counter()
        self.delay: Counter[str] = Counter()
        self.requests = 0
        self.authorization: str | None = None
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                proxy.requests += 1
                proxy.authorization = self.headers.get("Authorization")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer, kind = proxy.status, b"", "text/plain"
                end = self.path.partition("?")[0].rpartition("/2.0/mlflow/")[2]
                if proxy.delay[end] > 0:
                    proxy.delay[end] -= 1
                    threading.Timer(LATE, self._ask, [body]).start()
                    self.close_connection = True
                    return
                if status is None:
                    status, answer, kind = self._ask(body)
                if proxy.lose[end] > 0:
                    proxy.lose[end] -= 1
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def _ask(self, body: bytes) -> tuple[int, bytes, str]:
                server = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                server.request(self.command, self.path, body, dict(self.headers))
                reply = server.getresponse()
                told = reply.status, reply.read(), reply.getheader("Content-Type", "text/plain")
                server.close()
                return told

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
