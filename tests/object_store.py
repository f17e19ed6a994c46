"""A real S3 API server of the tests' own, on 127.0.0.1: it counts what it is asked, and can be made to fail."""

from __future__ import annotations

import logging
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from itertools import count
from types import TracebackType
from typing import Any, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request


class ObjectServer:
    """moto's server behind a door that counts, and shuts when it is told to.

    Attributes:
        asked: Method and path, such as `GET /bucket/prefix/name`, -> how often since it was last cleared.
        environment: What says where it is, and who we are.
    """

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._numbers = count()
        self._lock, self._conditions = threading.Lock(), threading.Lock()
        self._failing, self._loses_answers = 0, 0
        self._ignores_conditions = False
        self.asked: Counter[str] = Counter()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def new_bucket(self) -> str:
        """Makes a bucket; returns the URL of a prefix in it."""
        name = f"studies-{next(self._numbers)}"
        self._send("PUT", f"/{name}")
        self.asked.clear()
        return f"s3://{name}/some/prefix"

    def fill(self, url: str, files: Mapping[str, bytes]) -> None:
        """Puts many files below a URL, without a request for each."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        for name, data in files.items():
            s3_backends["123456789012"]["aws"].put_object(bucket, f"{prefix}/{name}", data)

    def fail(self, requests: int) -> None:
        """So many requests from now on are answered with 500, and not carried out."""
        self._failing = requests

    def lose_answers(self, requests: int) -> None:
        """So many requests that write from now on are carried out, and answered with 500 all the same."""
        self._loses_answers = requests

    def ignore_conditions(self) -> None:
        """From now on a put overwrites whatever is there, as some servers do that speak S3."""
        self._ignores_conditions = True

    def refuse(self) -> None:
        """From now on only who has credentials may do anything, and nobody has any."""
        self._send("POST", "/moto-api/reset-auth", b"0")

    def heal(self) -> None:
        """Ends all of that."""
        self._failing = self._loses_answers = 0
        self._ignores_conditions = False
        self._send("POST", "/moto-api/reset-auth", b"Infinity")

    def count(self, method: str, ending: str = "") -> int:
        """How often something was asked since `asked` was last cleared."""
        return sum(times for what, times in self.asked.items() if what.startswith(method) and what.endswith(ending))

    def _send(self, method: str, path: str, data: bytes | None = None) -> None:
        url = self.environment["AWS_ENDPOINT_URL"] + path
        headers = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)).close()

    def _answer(self, environment: dict[str, Any], start: Any) -> Iterable[bytes]:
        path, method = environment["PATH_INFO"], environment["REQUEST_METHOD"]
        if path.startswith("/moto-api"):
            return self._moto(environment, start)
        with self._lock:
            listing = "?list" if "list-type" in environment["QUERY_STRING"] else ""
            self.asked[f"{method} {path}{listing}"] += 1
            fails = self._failing > 0
            self._failing -= fails
            loses = not fails and self._loses_answers > 0 and method in ("PUT", "POST")
            self._loses_answers -= loses
        if fails or loses:
            if loses:
                list(self._moto(environment, lambda *given: None))
            else:
                environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            start("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        if self._ignores_conditions:
            for condition in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"):
                environment.pop(condition, None)
        with self._conditions if method == "PUT" else nullcontext():  # moto looks and writes in two steps
            return self._moto(environment, start)
