"""What a key that is left out means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from types import MappingProxyType
from urllib.parse import urlsplit

from quickthorn_server.config.backend import Backend
from quickthorn_server.config.ladder import Degrade
from quickthorn_server.config.models import Model, models
from quickthorn_server.config.root import Records, Server
from quickthorn_server.config.route import Hedge, Route
from quickthorn_server.core import bedrock_models
from quickthorn_server.core.catalogue import (
    BreakerRule,
    BudgetRule,
    Cancelled,
    HedgeRule,
    HedgeTo,
    Limits,
    RecordRule,
    RetryRule,
    ServerRule,
    SlowStart,
    Timeouts,
)
from quickthorn_server.core.classes import FailureClass
from quickthorn_server.core.claude import lacks
from quickthorn_server.core.dialects import AZURE, RESPONSES, by_responses, cache_mark, dialect_of
from quickthorn_server.core.failures import MEANING, of_status
from quickthorn_server.core.features import Feature
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.ladder import Rung
from quickthorn_server.core.usage import Price, Tier

LOCAL_MODEL = "smollm2-135m-instruct"
LOCAL_CONTEXT = 4096

_EMBEDS = "embeddings"
_KNOWN_KEYS = ("price", "context_window", "max_output", "capabilities", "embedding_space", "retires")
_SLOW = 0.8
_HALF = 0.5
_P99 = 0.99
_BILLS_NOTHING = frozenset({"local", "scripted"})


def timeouts_rule(backend: Backend) -> Timeouts:
    """Return the timeouts, in seconds."""
    return Timeouts(**backend.timeouts.given())


def breaker_rule(backend: Backend) -> BreakerRule:
    """Return when the circuit opens and closes.

    What the file does not call slow is slow before its time limit passes, or slowness would be seen as failure only.
    """
    given = backend.breaker.given()
    if "open" in given:
        given["open_for"] = given.pop("open")
    if "slow_first_token" not in given:
        given["slow_first_token"] = min(BreakerRule().slow_first_token, _SLOW * timeouts_rule(backend).first_token)
    return BreakerRule(**given)


def slow_start(backend: Backend) -> SlowStart:
    """Return how the backend gets its calls back."""
    return SlowStart(**backend.slow_start.given())


def limits_rule(backend: Backend) -> Limits:
    """Return how much the backend may be asked."""
    return Limits(**backend.limits.given())


def retry_rule(route: Route) -> RetryRule:
    """Return how often to try, and after what."""
    given = route.retry.given()
    if "on" in given:
        given["on"] = frozenset(given["on"])
    return RetryRule(**given)


def on_status(route: Route) -> dict[int, FailureClass]:
    """Return what follows from a status where it is not what the failure table says.

    That a status is named in `retry.on` or in a `fallback_on` is leave enough to ask after it.
    """
    waited_for = _named(*(entry.fallback_on for entry in route.backends))
    elsewhere = (status for status in waited_for if MEANING[of_status(status)].terminal)
    again = (status for status in _named(route.retry.on) if not MEANING[of_status(status)].again)
    written = {status: FailureClass(word) for status, word in (route.on_status or {}).items()}
    return dict.fromkeys(elsewhere, FailureClass.ELSEWHERE) | dict.fromkeys(again, FailureClass.RETRY) | written


def _named(*causes: list[int | str] | None) -> Iterator[int]:
    """Yield the statuses among *causes*."""
    return (cause for each in causes for cause in each or () if isinstance(cause, int))


def hedge_rule(hedge: Hedge) -> HedgeRule:
    """Return when another lane starts because of silence, and on whom."""
    extra = hedge.max_extra_cost
    return HedgeRule(
        delay=hedge.delay.seconds,
        percentile=hedge.delay.percentile,
        max_parallel=hedge.max_parallel,
        target=(hedge.target or _P99) if hedge.delay.auto else None,
        to=HedgeTo(hedge.to),
        min_gain=HedgeRule().min_gain if hedge.min_gain is None else hedge.min_gain,
        max_extra=extra.request if extra else None,
        max_extra_hour=extra.hour if extra else None,
    )


def cancelled(backend: Backend) -> Cancelled:
    """Return what is billed of an attempt that is cancelled: nothing, where nobody bills at all."""
    if backend.cancelled is None:
        return Cancelled.FREE if backend.provider in _BILLS_NOTHING else Cancelled.SO_FAR
    return Cancelled(backend.cancelled)


def budget_rule(route: Route) -> BudgetRule:
    """Return what hedges and retries may add."""
    return BudgetRule(**route.budget.given())


def stop_at(degrade: Degrade) -> Rung:
    """Return the lowest rung that may answer: with a canned text that one, else as far as there are backends."""
    if degrade.stop_at is not None:
        return Rung(degrade.stop_at)
    return Rung.LOWER_TIER if degrade.canned is None else Rung.CANNED


def max_ejected(route: Route) -> float:
    """Return the share of the route's backends that their circuits may keep out."""
    return _HALF if route.max_ejected is None else route.max_ejected


def server_rule(server: Server) -> ServerRule:
    """Return the listener's rule, without its files and callers."""
    given = {key: value for key, value in server.given().items() if key not in {"tls", "drain"}}
    return ServerRule(**given, **{f"drain_{key}": value for key, value in server.drain.given().items()})


def record_rule(records: Records, file: str) -> RecordRule:
    """Return where records go: to *file*."""
    return RecordRule(**(records.given() | {"file": file}))


def base_url(backend: Backend) -> str:
    """Return where the provider listens, "" where nothing does."""
    return backend.base_url or KNOWN[backend.provider].base_url


def model(backend: Backend) -> str:
    """Return the model's name at the provider."""
    if backend.model is not None:
        return backend.model
    if backend.provider == "local":
        return _file_stem(backend.model_path) if backend.model_path else LOCAL_MODEL
    return backend.provider


def failure_domain(backend: Backend) -> str:
    """Return what the backend fails together with: the host it lives on, or the provider's own machinery."""
    return backend.failure_domain or urlsplit(base_url(backend)).hostname or backend.provider


def known(backend: Backend) -> Model | None:
    """Return what the package knows of the backend's model, None where it asks a host that is not the provider's own.

    At Azure a model is asked by the name of its deployment, so that `model_id` says better which one it is.
    """
    if backend.model is None or not KNOWN[backend.provider].remote:
        return None
    names = (backend.model_id, backend.model) if backend.provider == "azure" else (backend.model,)
    host = urlsplit(base_url(backend)).hostname or ""
    return models().at(backend.provider, host, filter(None, names))


def assumed(backend: Backend) -> tuple[str, ...]:
    """Return the keys that the file leaves open and the package's knowledge of the model fills."""
    found = known(backend)
    return tuple(key for key in _KNOWN_KEYS if found and getattr(found, key) and key not in backend.model_fields_set)


def price(backend: Backend) -> Price | None:
    """Return what it costs, None = unknown."""
    if backend.price is None:
        found = known(backend)
        return None if found is None else found.price
    given = backend.price.given() | {"units": MappingProxyType(backend.price.units)}
    return Price(**given | {"tiers": tuple(Tier(**tier.given()) for tier in backend.price.tiers or ())})


def max_output(backend: Backend) -> int | None:
    """Return how many tokens it writes at most, None = unknown."""
    return backend.max_output or ((found := known(backend)) and found.max_output) or None


def retires(backend: Backend) -> date | None:
    """Return the day on which its model is turned off, None = unknown."""
    return backend.retires or ((found := known(backend)) and found.retires) or None


def capabilities(backend: Backend) -> frozenset[str]:
    """Return what it can do: every backend reads and writes text, unless it is one that embeds."""
    if backend.capabilities is None and (found := known(backend)):
        return found.capabilities
    given = frozenset(backend.capabilities or ())
    if backend.capabilities is None and backend.provider == "local" and backend.model_path is None:
        return given | {"text", "prefill"}  # tried with the embedded model, and with no other
    return given if _EMBEDS in given else given | {"text"}


def embedding_space(backend: Backend) -> str:
    """Return what its vectors may be compared with, "" where it does not embed."""
    if _EMBEDS not in capabilities(backend):
        return ""
    own = f"{backend.provider}/{model(backend)}"
    return backend.embedding_space or ((found := known(backend)) and found.embedding_space) or own


def context(backend: Backend) -> int:
    """Return how many tokens of prompt and answer each call to a local model has room for."""
    return backend.context or backend.context_window or LOCAL_CONTEXT


def context_window(backend: Backend) -> int | None:
    """Return how many tokens fit, None = unknown."""
    if backend.provider == "local" and backend.context_window is None:
        return context(backend)
    return backend.context_window or ((found := known(backend)) and found.context_window) or None


def carries(backend: Backend) -> frozenset[Feature]:
    """Return what its wire format has a field for.

    Behind a foreign address "openai" means any compatible server, and those know more fields than OpenAI does.
    Anthropic's API and Bedrock's know more fields than each of their models takes.
    """
    known = KNOWN[backend.provider]
    if backend.provider == "anthropic":
        return known.carries - lacks(model(backend))
    if backend.provider == "bedrock":
        return known.carries - bedrock_models.lacks(model(backend), backend.model_id or "")
    return _shaped(backend) if "api" in known.settings else known.carries


def _shaped(backend: Backend) -> frozenset[Feature]:
    """Return what a backend that speaks like OpenAI carries, by its dialect, its interface and its model."""
    dialect = AZURE if backend.provider == AZURE.word else dialect_of(backend.provider, base_url(backend))
    responses = by_responses(backend.api, backend.path or "")
    marks = {Feature.CACHE_HINTS} if cache_mark(dialect, model(backend), responses=responses) else set()
    return (RESPONSES if responses else dialect.carries) | marks


def _file_stem(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".gguf")
