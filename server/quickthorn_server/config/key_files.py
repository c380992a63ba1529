"""Look whether files with keys have changed since they were read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from quickthorn_server.config.references import key_in
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.secret import Secret

_Stamp = tuple[int, int, int]


class KeyFiles:
    """The `api_key_file`s of *backends*, whose keys were read when the configuration was."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self._backends = [backend for backend in backends if backend.api_key_file]
        self._stamps: dict[str, _Stamp | None] = {}  # empty: what changed before the first look is seen by it
        self._keys = {backend.name: backend.api_key for backend in self._backends}

    def __len__(self) -> int:
        return len(self._backends)

    def changed(self) -> list[tuple[Backend, Secret]]:
        """Return the backends whose file holds another key than before, and that key.

        Only a file that has been touched is read; one that is not there, or holds no key, changes nothing.
        """
        found = []
        for backend in self._backends:
            stamp = _stamp(Path(backend.api_key_file))
            if stamp is None or stamp == self._stamps.get(backend.name):
                continue
            self._stamps[backend.name] = stamp
            key = key_in(Path(backend.api_key_file))
            if isinstance(key, Secret) and key != self._keys[backend.name]:
                self._keys[backend.name] = key
                found.append((backend, key))
        return found


def _stamp(path: Path) -> _Stamp | None:
    """Return what changes with the file's content, also where a mount swaps a link: None = it cannot be seen."""
    try:
        seen = path.stat()
    except (OSError, ValueError):
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
