"""What an executor says while it carries out a plan."""

from __future__ import annotations

from quickthorn_server.core.attempt import Cause, Trace
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.seam import Seam
from quickthorn_server.core.usage import Usage
from quickthorn_server.core.value import value


@value
class Begun:
    """The call has committed to one lane, or to none (*backend*, *cause* None).  Once, before anything but `Quiet`."""

    backend: Backend | None
    model: str
    cause: Cause | None


@value
class Said:
    """More of the answer; `Opened` and `End` are not among *chunks*."""

    chunks: list[Chunk]


@value
class Joined:
    """Another backend continues here.  At most once, before the first of its text."""

    seam: Seam


@value
class Quiet:
    """Nothing has happened for a while, and the call goes on.  Anywhere, also before `Begun`."""


@value
class Escalated:
    """A human was told that nobody could answer, and why."""

    id: str
    reason: Reason


@value
class Finished:
    """The clean end.  Once, last."""

    end: End
    usage: Usage | None
    cost_nano_usd: int | None
    trace: Trace


Event = Begun | Said | Joined | Quiet | Escalated | Finished
