"""`quickthorn` in a process that says, whenever it gets SIGUSR2, how many there are of what must not pile up."""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections import Counter
from typing import Any

from quickthorn_server.cli import main

_WATCHED = ("Task", "Lane", "Race", "Permit", "Connection", "Carried", "Future", "Alarm")


def _tell(*_: Any) -> None:
    """Print a line of JSON: live objects by the name of their type, after garbage is gone."""
    gc.collect()
    found = Counter(type(each).__name__ for each in gc.get_objects())
    sys.stdout.write(json.dumps({name: found[name] for name in _WATCHED}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _tell)
    main(prog_name="quickthorn")
