"""What is configured: backends, routes and their rules, as frozen values.  Knows neither files nor YAML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from quickthorn_server.core.classes import FailureClass
from quickthorn_server.core.features import ALL_FEATURES, Feature
from quickthorn_server.core.health import CheckRule
from quickthorn_server.core.ladder import Ladder
from quickthorn_server.core.secret import Secret
from quickthorn_server.core.usage import Price
from quickthorn_server.core.word import Word

CAPABILITIES = frozenset(
    {
        "text",
        "vision",
        "documents",
        "audio",
        "video",
        "tools",
        "json_object",
        "json_schema",
        "reasoning",
        "embeddings",
        "prefill",
    }
)
"""The closed list of capability words; an unknown word is an error.

`prefill`: it writes on from an assistant's turn that was begun for it.
"""

DATA_POLICIES = frozenset({"zdr", "no_training", "hipaa", "gdpr"})
"""The closed list of data policy words."""

REGIONS = frozenset({"us", "eu", "uk", "ca", "ap", "au", "in", "jp", "kr", "sg", "br", "me", "af", "local", "global"})
"""The closed list of region words."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds.  *total* bounds an attempt until it commits, and a unary attempt whole."""

    connect: float = 2.0
    first_token: float = 10.0
    idle: float = 15.0
    total: float = 120.0


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """When a circuit opens, for how long (*open_for*), and how it closes again.  Times in seconds, rates 0..1.

    It opens after *consecutive* failures, and when, of *min_calls* or more outcomes within *window*, *failure_rate*
    failed or *slow_rate* were slow: first content later than *slow_first_token*, or a stall.
    """

    consecutive: int = 5
    open_for: float = 5.0
    probes: int = 1
    successes: int = 3
    window: float = 10.0
    min_calls: int = 10
    failure_rate: float = 0.5
    slow_first_token: float = 8.0
    slow_rate: float = 0.8


@dataclass(frozen=True, slots=True)
class SlowStart:
    """How a backend whose circuit has closed gets its calls back: over *window* seconds, 0 = at once.

    From *min_weight* (0..1) of its weight on; *aggression* 1 = linearly, more = sooner, less = later.
    """

    window: float = 10.0
    aggression: float = 1.0
    min_weight: float = 0.1

    def share(self, seconds: float) -> float:
        """Return the share of its weight that a backend has *seconds* after its circuit closed, 0..1.

        max(min_weight, (seconds / window) ^ (1 / aggression)): Envoy's `slow_start_config`.
        """
        if seconds >= self.window:
            return 1.0
        return max(self.min_weight, math.pow(seconds / self.window, 1 / self.aggression))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a backend may be asked at most: attempts at once, attempts and tokens in any minute.  None = no limit."""

    in_flight: int | None = None
    rpm: int | None = None
    tpm: int | None = None


class Cancelled(Word):
    """What a provider bills of an attempt that is cancelled."""

    FREE = "free"
    SO_FAR = "so_far"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Backend:
    """A configured target.

    *model_id* equal = interchangeable.  *embedding_space* names what its vectors may be compared with, "" = it does not
    embed.  *carries*: what its wire format has a field for.  *options* are the provider's own settings.

    *failure_domain* is the one it is in as far as anybody can tell; *shares* the same where the file says so, else "".

    *api_key* was read from the variable *api_key_env* or the file *api_key_file*, "" where it was not.  *assumed*: the
    keys that its configuration leaves open and the package's knowledge of the model has filled.
    """

    name: str
    provider: str
    model: str
    model_id: str
    base_url: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    api_key: Secret | None = None
    api_key_env: str = ""
    api_key_file: str = ""
    price: Price | None = None
    context_window: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] = frozenset({"text"})
    regions: frozenset[str] = frozenset()
    data_policies: frozenset[str] = frozenset()
    failure_domain: str = ""
    shares: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    retires: date | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    breaker: BreakerRule = field(default_factory=BreakerRule)
    slow_start: SlowStart = field(default_factory=SlowStart)
    limits: Limits = field(default_factory=Limits)
    cancelled: Cancelled = Cancelled.SO_FAR
    check: CheckRule | None = None
    embedding_space: str = ""
    carries: frozenset[Feature] = ALL_FEATURES
    options: Mapping[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()


class Strategy(Word):
    """How a route orders its candidates."""

    PRIORITY = "priority"
    WEIGHTED = "weighted"


class OnBreak(Word):
    """What becomes of a stream whose backend breaks after the caller has seen content."""

    FAIL = "fail"
    CONTINUE = "continue"


class Upstream(Word):
    """Whether a unary call streams upstream."""

    AUTO = "auto"
    STREAM = "stream"
    WHOLE = "whole"


class HedgeTo(Word):
    """Whom to ask because of silence: who is next, who costs least, or who has been quickest of late."""

    NEXT = "next"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"


@dataclass(frozen=True, slots=True)
class HedgeRule:
    """Start another lane after *delay* seconds of silence, or after *percentile* (0..1) of the lane's backend.

    Exactly one of the two and *target* is set: `auto`, a delay that holds that percentile (0..1) of the calls, where it
    gains *min_gain* of it (0..1).  *max_parallel* lanes at most run at once.  What hedges may cost, in nano-USD, None =
    no limit: *max_extra* for one call, *max_extra_hour* for those of any hour.
    """

    delay: float | None = None
    percentile: float | None = None
    max_parallel: int = 2
    target: float | None = None
    to: HedgeTo = HedgeTo.NEXT
    min_gain: float = 0.1
    max_extra: int | None = None
    max_extra_hour: int | None = None

    @property
    def aim(self) -> str:
        """The percentile that the delay is read from, or holds: "p95", "p99.9"; "" = none."""
        share = self.percentile if self.target is None else self.target
        return "" if share is None else f"p{round(share * 100, 6):g}"


@dataclass(frozen=True, slots=True)
class RetryRule:
    """*attempts* counts all lanes of one call; *on* names what the same backend may be asked again after."""

    attempts: int = 3
    on: frozenset[int | str] = frozenset({429, 500, 502, 503, 504, 529, "timeout", "connect"})


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """How much hedges and retries may add: shares of first attempts (0.05 = 5 %, 0 = off) and how many at once."""

    hedges: float = 0.05
    retries: float = 0.10
    burst: int = 50
    retries_burst: int = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A backend's place in a route.  Lower *group* first; *weight* shares turns inside a group.

    *fallback_on*: it waits for a lane to fail with one of these (HTTP statuses, `timeout`, `connect`); empty = it does
    not wait.  *tier* names its tier, "" = nobody named it; *rank* 0 = the route's highest tier, more = lower.
    """

    backend: str
    weight: int = 1
    group: int = 0
    fallback_on: frozenset[int | str] = frozenset()
    tier: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """A name callers ask for, and the backends that may answer it.

    *max_ejected*: the share of them that their circuits may keep out, 0..1; beyond it circuits are passed by.
    *on_status*: what follows from a failure with that HTTP status, instead of what the failure table says.
    *ladder* None = the route writes neither a ladder nor tiers: it goes as far as its backends do, and calls nothing a
    fall.
    """

    name: str
    entries: tuple[Entry, ...]
    strategy: Strategy = Strategy.PRIORITY
    hedge: HedgeRule | None = None
    budget: BudgetRule = field(default_factory=BudgetRule)
    retry: RetryRule = field(default_factory=RetryRule)
    on_break: OnBreak = OnBreak.FAIL
    upstream: Upstream = Upstream.AUTO
    max_ejected: float = 0.5
    on_status: Mapping[int, FailureClass] = field(default_factory=dict)
    ladder: Ladder | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who may call: a name for logs, a bearer key, and the routes it may use (empty = all)."""

    name: str
    api_key: Secret
    routes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of the listener; *client_ca_file* set = clients must show a certificate signed by it."""

    cert_file: str
    key_file: str
    client_ca_file: str = ""


@dataclass(frozen=True, slots=True)
class ServerRule:
    """The listener.  Times in seconds.

    On SIGTERM the server keeps accepting until no call has arrived for *drain_quiet*, then refuses new ones and
    gives running ones *drain_grace*.  A stream whose client reads nothing for *write_stall* is ended; one that
    says nothing for *heartbeat* says that it goes on.  Calls are refused while they wait for longer than *max_wait*.
    """

    listen: str = "127.0.0.1:50051"
    tls: Tls | None = None
    callers: tuple[Caller, ...] = ()
    max_in_flight: int = 1000
    max_wait: float = 0.5
    write_stall: float = 30.0
    heartbeat: float = 15.0
    drain_quiet: float = 1.0
    drain_grace: float = 60.0


@dataclass(frozen=True, slots=True)
class RecordRule:
    """Where decision records go: to *file*, and *keep* older ones of *max_size* bytes each beside it.

    *content*: with what was asked and answered.
    """

    file: str
    max_size: int = 64 * 1024 * 1024
    keep: int = 5
    content: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything configured.

    *version* is a digest of the configuration, for traces.  *records* None = no file of them.
    """

    backends: Mapping[str, Backend]
    routes: Mapping[str, Route]
    version: str
    server: ServerRule = field(default_factory=ServerRule)
    records: RecordRule | None = None

    @property
    def default_route(self) -> str:
        """The route of a request that names none: `default`, or else the first one configured."""
        return "default" if "default" in self.routes else next(iter(self.routes))
