"""The rest of a stream whose winner broke: what another backend says, fitted to what was delivered."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from quickthorn_server.core.failures import BackendError
from quickthorn_server.execution.carried import Carried
from quickthorn_server.execution.events import Event, Quiet, Said
from quickthorn_server.execution.lane import Lane
from quickthorn_server.execution.race import NobodyLeft

_QUIET = Quiet()


async def continued(carried: Carried, broken: Lane, error: BackendError) -> AsyncGenerator[Event, None]:
    """Yield what comes after *broken* failed with *error*; who says it is the last of the race's lanes.

    Raises *error* where nobody may go on, or nobody does; and the continuing lane's own where it breaks, too.
    """
    takeover = carried.take_over(broken, error)
    try:
        while (lane := await carried.race.winner()) is None:
            yield _QUIET
    except NobodyLeft:
        takeover.refused = "no other backend was left that could"
        raise error from None
    joint = takeover.joint(lane.backend)
    try:
        while (chunks := await carried.race.more(lane)) is not None:
            for event in joint.take(chunks) if chunks else (_QUIET,):
                yield _counted(carried, event)
        for event in joint.close():
            yield _counted(carried, event)
    except BackendError:
        takeover.refused = "it had been continued once"
        raise


def _counted(carried: Carried, event: Event) -> Event:
    if isinstance(event, Said):
        carried.count(event.chunks)
    return event
