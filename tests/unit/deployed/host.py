"""The deployed gateway as a server on loopback that answers what a test has told it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

EDGE = "https://api.acme.example"
APIGEE = "https://apigee.acme.example"
LIVE = "/.well-known/portcullis/live"
KEYS = "/.well-known/portcullis/jwks.json"
CANARY = "/.well-known/portcullis/canary"


class Host:
    """A server on loopback that answers by path, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append((self.path, dict(self.headers)))
                queue = host.answers.get(self.path, [(404, {})])
                status, document = queue.pop(0) if len(queue) > 1 else queue[0]
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def holds(self, seq: int, kids: list[str]) -> None:
        """Answer as a Worker with this ring."""
        self.answers[LIVE] = [told(seq=seq)]
        self.answers[KEYS] = [(200, {"keys": [{"kid": kid} for kid in kids]})]

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


def serve_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return a running server that both hostnames of the gateway lead to."""
    running = Host()
    path = tmp_path / "hosts.json"
    path.write_text(
        json.dumps(dict.fromkeys(("api.acme.example", "apigee.acme.example"), running.url)), encoding="utf-8"
    )
    monkeypatch.setenv("PORTCULLIS_HOSTS_FILE", str(path))
    return running


def told(version: str = "v1", seq: object = 7) -> tuple[int, Any]:
    """The Worker's answer to who it is."""
    return 200, {"status": "live", "version": version, "ring_seq": seq}
