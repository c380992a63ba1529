"""The form of `backends`: whom to ask, how, and at what price."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from quickthorn_server.config.health import Health
from quickthorn_server.config.kinds import (
    Aggression,
    Day,
    Duration,
    Money,
    PositiveDuration,
    PositiveShare,
    Share,
    WindowDuration,
)
from quickthorn_server.config.strict import Strict
from quickthorn_server.config.words import (
    BaseUrl,
    Headers,
    JsonObject,
    Name,
    Never,
    OneOf,
    Text,
    UrlPath,
    Variable,
)
from quickthorn_server.core.catalogue import CAPABILITIES, DATA_POLICIES, REGIONS, Cancelled
from quickthorn_server.core.known import KNOWN

Provider = Annotated[str, OneOf("provider", frozenset(KNOWN), frozenset({"quickthorn"}))]
Capability = Annotated[str, OneOf("capability", CAPABILITIES)]
Region = Annotated[str, OneOf("region", REGIONS)]
DataPolicy = Annotated[str, OneOf("data policy", DATA_POLICIES)]
NO_KEYS = Never(
    "a key itself must not stand in this file, which is copied, shown and logged", "use api_key_env or api_key_file"
)


class Tier(Strict):
    """What a backend costs instead, once a request is long: every token of it, not only those beyond."""

    above: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Holds for requests of more input tokens than this: `200000`."""
    input: Money
    """USD per million input tokens."""
    output: Money
    """USD per million output tokens, reasoning included."""
    cache_read: Money | None = None
    """USD per million input tokens read from the provider's cache; default: the tier's input price."""
    cache_write: Money | None = None
    """USD per million input tokens written to the provider's cache; default: the tier's input price."""
    cache_write_long: Money | None = None
    """USD per million of those written for its longer lifetime; default: the tier's cache_write."""


class Price(Strict):
    """What a backend costs, in USD per million tokens."""

    input: Money
    """USD per million input tokens."""
    output: Money
    """USD per million output tokens, reasoning included."""
    cache_read: Money | None = None
    """USD per million input tokens read from the provider's cache; default: the input price."""
    cache_write: Money | None = None
    """USD per million input tokens written to the provider's cache; default: the input price."""
    cache_write_long: Money | None = None
    """USD per million of those written for its longer lifetime, an hour at Anthropic; default: cache_write."""
    tiers: Annotated[list[Tier], Field(min_length=1)] | None = None
    """Other prices for long requests, the shortest first."""
    units: dict[Name, Money] = Field(default_factory=dict)
    """USD each, for whatever is counted by the piece: `web_search: 0.01`."""


class Limits(Strict):
    """How much a backend may be asked at once and per minute."""

    in_flight: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Attempts at once."""
    rpm: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Attempts in any minute."""
    tpm: Annotated[int, Field(ge=1, le=100_000_000_000)] | None = None
    """Tokens of prompts and answers in any minute: estimated when an attempt starts, as reported once it ends."""


class Timeouts(Strict):
    """How long to wait for a backend."""

    connect: PositiveDuration | None = None
    """To connect; default 2s."""
    first_token: PositiveDuration | None = None
    """From the start of an attempt to its first content; default 10s."""
    idle: PositiveDuration | None = None
    """Between two pieces of a stream; default 15s."""
    total: PositiveDuration | None = None
    """For an attempt until it commits, and for a unary attempt whole; default 120s."""


class Breaker(Strict):
    """When a backend is left alone, and how it comes back."""

    consecutive: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Failures in a row that open the circuit; default 5."""
    open: PositiveDuration | None = None
    """How long an open circuit lets nothing through; default 5s."""
    probes: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Calls let through at once while half-open; default 1."""
    successes: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Probes that must succeed to close the circuit; default 3."""
    window: WindowDuration | None = None
    """The time over which rates are counted; default 10s."""
    min_calls: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Outcomes in the window before rates count; default 10."""
    failure_rate: PositiveShare | None = None
    """The share of failures that opens the circuit; default 50%."""
    slow_first_token: PositiveDuration | None = None
    """First content later than this is slow; left out, at most four fifths of timeouts.first_token; default 8s."""
    slow_rate: PositiveShare | None = None
    """The share of slow calls that opens the circuit; default 80%."""


class SlowStart(Strict):
    """How a backend that has recovered gets its calls back, where its route has others."""

    window: Duration | None = None
    """From the closing of its circuit until it has all of its calls; 0s = at once; default 10s."""
    aggression: Aggression | None = None
    """1 = its share grows evenly, more = faster at first, less = later; default 1."""
    min_weight: Share | None = None
    """The share of its calls, or of its weight, that it begins with; default 10%."""


class Backend(Strict):
    """A target that can answer: a model behind a provider."""

    name: Name
    """Its name in routes, traces and metrics."""
    provider: Provider
    """The wire format it speaks; `openai` is also every compatible server, by `base_url`."""
    model: Text | None = None
    """The model's name at the provider."""
    model_id: Text | None = None
    """Backends with the same model_id are interchangeable; default: `model`."""
    base_url: BaseUrl | None = None
    """Where the provider listens; default: where the provider of that name does, if there is one such place."""
    path: UrlPath | None = None
    """What follows base_url, for deployments that need another path; default: the provider's own."""
    headers: Headers = Field(default_factory=dict)
    """More request headers; never keys."""
    api_key_env: Variable | None = None
    """The environment variable that holds the key."""
    api_key_file: Text | None = None
    """The file that holds the key, from this file's folder."""
    price: Price | None = None
    """What it costs; default: what `quickthorn models` knows, else costs are unknown, not zero."""
    context_window: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Tokens of prompt and answer together; default: what `quickthorn models` knows, else any length is tried."""
    max_output: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Tokens of the longest answer, for the most that a call may cost; default: what `quickthorn models` knows."""
    capabilities: Annotated[list[Capability], Field(min_length=1)] | None = None
    """What it can do; default: what `quickthorn models` knows, else [text]."""
    regions: Annotated[list[Region], Field(min_length=1)] | None = None
    """Where it runs."""
    data_policies: Annotated[list[DataPolicy], Field(min_length=1)] | None = None
    """What is promised about its data."""
    failure_domain: Text | None = None
    """Backends that fail together share one; default: the host of base_url, or else the provider.

    Written, it also says that they are slow together: no call is hedged between two that share it.
    """
    embedding_space: Text | None = None
    """What its vectors may be compared with, for capability `embeddings`; default: provider/model."""
    params: JsonObject = Field(default_factory=dict)
    """Defaults for what a request leaves open, in the provider's own terms: `temperature: 0.2`."""
    retires: Day | None = None
    """The day the provider turns the model off; `check` warns in time; default: what `quickthorn models` knows."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    breaker: Breaker = Breaker()
    """When to leave it alone."""
    slow_start: SlowStart = SlowStart()
    """How it gets its calls back."""
    health: Health = Health()
    """How to learn of its health besides from its calls."""
    limits: Limits = Limits()
    """How much to ask at once and per minute; left out, there is no limit."""
    cancelled: Annotated[str, OneOf("way to bill", frozenset(item.value for item in Cancelled))] | None = None
    """What it bills of an attempt that is cancelled: nothing (`free`), what was written `so_far`, or all (`full`).

    Default so_far; of providers `local` and `scripted` free.
    """
    api_key: Annotated[Any, NO_KEYS] = None
    """Never written here: see api_key_env and api_key_file."""

    api: Literal["chat", "responses"] | None = None
    """Of OpenAI-shaped providers: which of the two ways to ask; default chat, or as `path` says."""
    api_version: Text | None = None
    """Of providers `azure` and `anthropic`: the dated version of their interface."""
    project: Text | None = None
    """Of provider `vertex`: the project that pays."""
    location: Text | None = None
    """Of provider `vertex`: where to compute, `europe-west4` or `global`; default global."""
    aws_region: Text | None = None
    """Of provider `bedrock`: where to compute, `eu-central-1`; default: as the environment says."""
    script: Annotated[list[JsonObject], Field(min_length=1)] | None = None
    """Of provider `scripted`: the steps it plays, one mapping each."""
    model_path: Text | None = None
    """Of provider `local`: another GGUF file, from this file's folder."""
    context: Annotated[int, Field(ge=256, le=1_048_576)] | None = None
    """Of provider `local`: tokens of prompt and answer each call has room for; default 4096."""
    parallel: Annotated[int, Field(ge=1, le=64)] | None = None
    """Of provider `local`: calls answered at once."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Of provider `local`: processor threads."""
