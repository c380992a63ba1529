"""Whether, and by whom, a stream that broke is continued: decides, and does nothing itself."""

from __future__ import annotations

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.classes import meaning
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.core.seam import Seam
from quickthorn_server.core.usage import Usage, UsageSource, summed
from quickthorn_server.execution import continuation
from quickthorn_server.execution.draft import Draft
from quickthorn_server.execution.seam import Joint


class Takeover:
    """One stream's `on_break: continue`.

    *draft* collects what was delivered.  *broken*: the lane that is to be continued, None = nothing has broken.
    *refused*: why what broke was not continued, in words, "" = it was, or may still be.
    """

    __slots__ = ("_joint", "_plan", "_prompt", "broken", "draft", "refused")

    def __init__(self, plan: Plan, prompt: AnyPrompt) -> None:
        self._plan = plan
        self._prompt = prompt
        self._joint: Joint | None = None
        self.draft = Draft()
        self.broken: Attempt | None = None
        self.refused = ""

    def begin(self, broken: Attempt, error: BackendError, *, in_time: bool) -> bool:
        """Say whether somebody may go on where *broken* stopped, and make ready; *in_time*: the call has time."""
        self.refused = continuation.against(self._plan, self._prompt) or self.draft.obstacle
        if meaning(error, self._plan.route.on_status).terminal:
            self.refused = "no other backend would do better"
        if not in_time:
            self.refused = "no time was left"
        if self.refused:
            return False
        self.broken = broken
        return True

    def asked(self, backend: Backend) -> continuation.Asked:
        """Return what *backend* is to be asked."""
        assert isinstance(self._prompt, Prompt)  # noqa: S101 - nothing else is continued
        return continuation.asked(self._prompt, self.draft.text, self._used.output_tokens, backend)

    def joint(self, backend: Backend) -> Joint:
        """Return what fits the words of *backend*, who has begun to speak, to those delivered."""
        assert self.broken is not None  # noqa: S101 - or nobody would have been asked
        asked = self.asked(backend)
        seam = Seam(self.draft.part, self.draft.offset, self.broken.backend, backend.name, asked.method)
        self._joint = Joint(seam, asked.expected, parts=self.draft.parts, used=self._used)
        return self._joint

    def total(self, usage: Usage | None, cost_nano_usd: int | None) -> tuple[Usage | None, int | None]:
        """Return usage and cost of the whole answer: those of the lane that ended it, and of the one that broke."""
        if self.broken is None:
            return usage, cost_nano_usd
        before = self.broken.cost_nano_usd
        cost = None if before is None or cost_nano_usd is None else before + cost_nano_usd
        return None if usage is None else summed(self._used, usage), cost

    def fits(self, backend: Backend) -> bool:
        """Whether the question and the answer so far are no longer than *backend* can read."""
        if self.broken is None:
            return True  # as was judged when it was planned
        needs = self._plan.outline.needs.context_tokens if self._plan.outline else self._plan.input_tokens
        return backend.context_window is None or needs + self.more_input <= backend.context_window

    @property
    def more_input(self) -> int:
        """About how many tokens of input there are beside the question."""
        return 0 if self.broken is None else continuation.more_input(self.draft.text)

    @property
    def seams(self) -> tuple[Seam, ...]:
        """What the caller was told of."""
        return () if self._joint is None or not self._joint.told else (self._joint.seam,)

    @property
    def words(self) -> str:
        """What came of it, for people; "" = nothing broke."""
        told = [f"{each.from_backend} broke, {each.to_backend} continued ({each.method.word})" for each in self.seams]
        if self.refused:
            told.append(f"not continued: {self.refused}")
        return "; ".join(told)

    @property
    def _used(self) -> Usage:
        unknown = Usage(source=UsageSource.UNKNOWN)
        return unknown if self.broken is None else self.broken.usage or unknown
