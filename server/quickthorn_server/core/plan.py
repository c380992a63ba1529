"""A plan: whom to ask, in what order, and why everybody else is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import NamedTuple

from quickthorn_server.core import fall
from quickthorn_server.core.attempt import Attempt, Trace
from quickthorn_server.core.catalogue import Backend, OnBreak, RetryRule, Route
from quickthorn_server.core.features import Feature, named
from quickthorn_server.core.outline import Outline
from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word


class Circuit(Word):
    """What a backend's circuit breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Forced(Word):
    """What an operator has decided about a circuit, whatever is reported to it."""

    AUTO = "auto"
    OPEN = "open"
    CLOSED = "closed"


@value
class CircuitSnapshot:
    """A circuit at one instant.

    *outcomes* in the window and their rates (0..1).  *opened_for*: seconds that its last opening takes in all, 0 =
    closed, or forced open.  *retry_after*: seconds until the backend may be asked, for whichever reason.
    """

    circuit: Circuit
    forced: Forced
    outcomes: int
    failure_rate: float
    slow_rate: float
    opened_for: float
    retry_after: float


class PurseLevels(NamedTuple):
    """How many extra requests a route could pay for now."""

    hedges: float
    retries: float


@value
class Advice:
    """What is known of hedging one kind of call, and what to do.  Times in seconds.

    *delay* None = do not hedge, *why* says so in a few words ("" where delay is set).  *probability*: the share of such
    calls (0..1) for which a hedge is planned at all.  *lanes*: most lanes at once that pay, the first included.
    *basis*: what it rests on, in words ("auto p99: warm-up, p90 of 212 lanes"; "auto p99: 12000 lanes, 1.03s instead of
    48.8s").  *expected*, *expected_without*: the target percentile with and without.  *learned_from*: lanes.
    """

    delay: float | None
    probability: float
    lanes: int
    why: str
    basis: str
    expected: float | None
    expected_without: float | None
    learned_from: int


Advise = Callable[[str, tuple[str, ...], int], Advice]
"""(route, backends in the order in which lanes would start, estimated input tokens) -> advice.

The first backend is asked first, the others because of silence.  A pure read, in under 5 us.
"""


def _no(_: str) -> bool:
    return False


def _yes(_: str) -> bool:
    return True


class HedgeFacts(NamedTuple):
    """What is known now that bears on hedging: pure reads, of which a plan asks those it needs.

    *advise*: of routes whose delay is learned; None = nothing is learned.  *near_limit*: whether a backend is close to
    a limit of its own, or was told to wait.  *shut*: whether an open circuit admits nobody yet.  *spent*: what hedges
    of a route have cost in the running hour, and those under way may yet cost, in nano-USD.  *typical*: (backend,
    estimated input tokens) -> its usual seconds to first content, None = not known.
    """

    advise: Advise | None = None
    near_limit: Callable[[str], bool] = _no
    shut: Callable[[str], bool] = _yes
    spent: Callable[[str], int] = lambda _: 0
    typical: Callable[[str, int], float | None] = lambda _, __: None


_NO_FACTS = HedgeFacts()


@value
class Knowledge:
    """What is known of the backends now, for the router to read.

    *circuits*: missing = closed.  *first_content*: backend -> percentile (0..1) -> seconds, for percentiles that the
    route's hedge rule may ask for; missing = too few lanes have spoken.  *keys_refused*: backends whose provider does
    not take their key.  *ejected*: whom its own circuit keeps out, not an operator -> what may be hoped for of an
    attempt on it, 0..1.  *ramps*: who recovers -> the share of its weight that it has now, less than 1.  *hedging*:
    what bears on hedging alone.
    """

    circuits: Mapping[str, Circuit] = field(default_factory=dict)
    first_content: Mapping[tuple[str, float], float] = field(default_factory=dict)
    keys_refused: frozenset[str] = frozenset()
    ejected: Mapping[str, float] = field(default_factory=dict)
    ramps: Mapping[str, float] = field(default_factory=dict)
    hedging: HedgeFacts = _NO_FACTS


class Drop(Word):
    """Why a candidate is out."""

    PINNED_ELSEWHERE = "pinned_elsewhere"
    NOT_ALLOWED = "not_allowed"
    DENIED = "denied"
    CAPABILITY = "capability"
    FEATURE = "feature"
    REGION = "region"
    DATA_POLICY = "data_policy"
    CONTEXT_WINDOW = "context_window"
    COST = "cost"
    OPAQUE_STATE = "opaque_state"
    OTHER_MODEL = "other_model"
    WEIGHT_ZERO = "weight_zero"
    KEY_REFUSED = "key_refused"
    STANDBY = "standby"


class Verdict(NamedTuple):
    """A candidate kept (*drop* None) or dropped, and *detail* in words: what was asked and what is there."""

    backend: Backend
    drop: Drop | None = None
    detail: str = ""

    @property
    def kept(self) -> bool:
        """Whether the candidate may be asked."""
        return self.drop is None


@value
class Hedging:
    """Start another lane after *delay* seconds of silence, *max_parallel* at most at once.

    *targets*: whom to ask, in this order; None = whoever is next in the plan's.  *worst_extra*: the most that it may
    cost, in nano-USD; None = nobody asked, or no bound is known.
    """

    delay: float
    max_parallel: int
    targets: tuple[Backend, ...] | None = None
    worst_extra: int | None = None


@value
class Plan:
    """Everything decided before the first byte is sent.

    *order*: the kept candidates, first asked first.  *failover* False keeps the call on the first of them.
    *no_hedge* says why *hedging* is None, "" when the route has none.  *advice*: what was learned of hedging such
    calls, None = nothing was asked.  *max_first_token*: seconds from the call's arrival, None = no limit.  *left_out*:
    what a kept backend cannot carry, by its name.  *panic*: who may be asked in spite of its open circuit once nobody
    else may be, best hope first.  *standby*: who in *order* waits for a lane to fail with one of these statuses and
    words.  *lower*: who is of a lower tier than the first, with its name; they are the last.  *outline*, *turn* and
    *knowledge* are what the plan was made of; *outline* None = it was made by hand.
    """

    route: Route
    order: tuple[Backend, ...]
    verdicts: tuple[Verdict, ...]
    hedging: Hedging | None
    no_hedge: str
    retry: RetryRule
    whole: bool
    failover: bool
    shows_reasoning: bool
    max_first_token: float | None
    input_tokens: int
    config_version: str
    left_out: Mapping[str, frozenset[Feature]] = field(default_factory=dict)
    panic: tuple[Backend, ...] = ()
    standby: Mapping[str, frozenset[int | str]] = field(default_factory=dict)
    lower: Mapping[str, str] = field(default_factory=dict)
    advice: Advice | None = None
    outline: Outline | None = None
    turn: int = 0
    knowledge: Knowledge = field(default_factory=Knowledge)
    on_break: OnBreak = OnBreak.FAIL

    def trace(
        self, attempts: tuple[Attempt, ...], served_by: int | None, no_hedge: str = "", degraded: str = ""
    ) -> Trace:
        """Return the trace of a call that went through *attempts*.

        *no_hedge*: what kept its race from hedging.  *degraded*: what was weakened to serve it.
        """
        rung = ""
        if served_by is not None:
            served = attempts[served_by]
            rung, fallen = self._fallen(attempts, served_by) if served.backend != self.order[0].name else ("", "")
            left_out = self._left_out(served) if self.left_out else ""
            degraded = "; ".join(filter(None, (degraded, fallen, left_out))) if fallen or left_out else degraded
        return Trace(
            attempts=attempts,
            served_by=served_by,
            no_hedge=self.no_hedge or no_hedge,
            hedge_delay=self.hedging.delay if self.hedging else None,
            config_version=self.config_version,
            hedge_probability=self.hedge_probability if self.advice else None,
            hedge_basis=self.advice.basis if self.advice else "",
            degraded=degraded,
            rung=rung,
        )

    @property
    def hedge_probability(self) -> float | None:
        """The share of calls like this one for which a hedge is planned at all; None = every one, or none."""
        share = self.advice.probability if self.advice and self.advice.delay is not None else 0.0
        return share if 0 < share < 1 else None

    def _fallen(self, attempts: tuple[Attempt, ...], served_by: int) -> tuple[str, str]:
        """Return the rung that answered, and in words what became of those above it; both "" = as planned."""
        rung = fall.rung(self.route, self.order, self.lower, attempts, served_by)
        if rung is None:
            return "", ""
        name = attempts[served_by].backend
        tier = f" (tier {self.lower[name]})" if self.lower.get(name) else ""
        told = f"{rung.word}: {name}{tier} answered, {fall.why(self.order, attempts, name)}"
        return rung.word, told if self.route.ladder is not None else ""

    def _left_out(self, served: Attempt) -> str:
        out = self.left_out.get(served.backend)
        return f"left out, because {served.provider} cannot carry it: {named(out)}" if out else ""
