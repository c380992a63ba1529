"""What a failed reply says, as gRPC's servers do, about attempting the same call again.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from quickthorn_server.core.failures import BackendError

_HEADER = "grpc-retry-pushback-ms"
_MILLISECONDS = re.compile(r"0|[1-9][0-9]{0,9}")
_MOST = 2**31 - 1


def pushed_back(error: BackendError, header: Callable[[str], str]) -> BackendError:
    """Return *error* with what the reply's *header* of gRPC proposal A6 says, "Pushback": a wait, or "not again".

    A number of milliseconds is when the backend may be asked again at the earliest, and wins over `Retry-After`;
    a negative or unreadable one asks for no further retry and no further hedge of the call.
    """
    told = header(_HEADER)
    if not told:
        return error
    if _MILLISECONDS.fullmatch(told) and int(told) <= _MOST:
        error.retry_after = int(told) / 1000
    else:
        error.pushed_back = True
    return error
