"""A stand-in for the engine: the same names, and a server that streams words.  What the "model" file says, it does."""

from __future__ import annotations

import ctypes
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class CommonParams(SimpleNamespace):
    """Whatever is set."""

    def __init__(self) -> None:
        super().__init__(model=SimpleNamespace(path=""), cpuparams=SimpleNamespace(n_threads=0))


class Server:
    """Listens on a free port once it has loaded."""

    def __init__(self, params: Any) -> None:
        orders = json.loads(Path(params.model.path).read_text(encoding="utf-8"))
        print("loading on standard output", flush=True)  # noqa: T201 - noise is what it is for
        for number in range(orders.get("complaints", 0)):
            print(f"complaint {number} " + "x" * 1000, file=sys.stderr)  # noqa: T201 - the same
        if orders.get("fail"):
            raise SystemExit(orders["fail"])
        if orders.get("seize"):
            ctypes.PyDLL(None).sleep(orders["seize"])  # a PyDLL keeps the interpreter's lock, as loading does
        time.sleep(orders.get("load", 0.0))
        server = ThreadingHTTPServer((params.hostnames[0], params.port), _handler(params, orders))
        self.listening_address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()


def _handler(params: Any, orders: dict[str, Any]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            if self.headers["Authorization"] != f"Bearer {params.api_keys[0]}":
                self.send_error(401)
                return
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for word in orders.get("words", ["hel", "lo"]):
                self._event({"model": next(iter(params.model_alias)), "choices": [{"delta": {"content": word}}]})
                time.sleep(orders.get("pause", 0.0))
            self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")

        def _event(self, payload: object) -> None:
            self._chunk(f"data: {json.dumps(payload)}\n\n".encode())

        def _chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

        def log_message(self, *_: object) -> None:
            pass

    return Handler
