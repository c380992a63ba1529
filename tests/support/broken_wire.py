"""A connection that breaks on cue."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PATIENCE = 10.0


@contextmanager
def breaks_after(target: str, marker: bytes) -> Iterator[str]:
    """Pass one connection on to *target*, cut it once *marker* has come back; the value is where to connect."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_PATIENCE)
        passing = threading.Thread(target=_pass_on, args=(listener, target, marker))
        passing.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        passing.join()


def _pass_on(listener: socket.socket, target: str, marker: bytes) -> None:
    host, port = target.split(":")
    client, _ = listener.accept()
    with client, socket.create_connection((host, int(port))) as server:
        for each in (client, server):
            each.settimeout(_PATIENCE)
        forward = threading.Thread(target=_pump, args=(client, server, None))
        forward.start()
        _pump(server, client, marker)
        for each in (client, server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        forward.join()


def _pump(source: socket.socket, sink: socket.socket, marker: bytes | None) -> None:
    """Copy until the end, or until *marker* has been copied."""
    with suppress(OSError):
        while block := source.recv(65536):
            sink.sendall(block)
            if marker and marker in block:
                return
