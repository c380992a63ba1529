"""The process around the embedded model: llama.cpp's own server, which lives no longer than its parent.

Run as a script, with the settings as one line of JSON on standard input, which then stays open: its end is the parent's
end.  Announces itself by one line of JSON on standard output.  Must not import anything of ours: it is started by path.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ERRORS_ONLY = 1


def main() -> None:
    """Serve the model until the parent is gone."""
    # Whoever signals the whole group (Ctrl-C, a service manager) means the parent, which still drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    settings = json.loads(sys.stdin.buffer.readline())
    _die_with(settings["parent"])
    announce = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the library may print; the announcement must stay alone on its line
    threading.Thread(target=_watch, daemon=True).start()
    server = _serve(settings)
    print(json.dumps({"address": server.listening_address}), file=announce, flush=True)
    threading.Event().wait()


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies; the library holds the interpreter while it loads."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _watch() -> None:
    """End with the parent: its end of the pipe closes however it dies."""
    while os.read(0, 1):  # not `sys.stdin`: its lock would turn a failing start into a crash
        pass
    os._exit(0)


def _serve(settings: dict[str, Any]) -> Any:
    """Load the model and listen on a free loopback port."""
    import xllamacpp  # noqa: PLC0415 - slow, and only here

    params = xllamacpp.CommonParams()
    params.model.path = settings["model_path"]
    params.model_alias = {settings["model"]}  # else answers name the file
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["api_key"]]
    params.n_parallel = settings["parallel"]
    params.n_ctx = settings["parallel"] * settings["context"]  # the library shares it out
    params.cpuparams.n_threads = settings["threads"]
    params.cache_ram_mib = settings["cache_mib"]
    params.verbosity = _ERRORS_ONLY
    params.offline = True
    params.ui = False
    params.endpoint_slots = False
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
