"""Keep or drop a candidate, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import OpaqueState
from quickthorn_server.core.features import HINTS, MAY_DROP, Feature, named
from quickthorn_server.core.outline import Needs
from quickthorn_server.core.plan import Drop, Verdict
from quickthorn_server.core.request import Directives
from quickthorn_server.core.usage import Usage, cost_nano_usd

# A model that can be held to a schema can be held to "any object".
_IMPLIED = {"json_object": "json_schema"}


Rule = Callable[[Backend, Needs], Verdict | None]


def judged_by(needs: Needs, directives: Directives) -> Callable[[Backend], Verdict]:
    """Return the judge of one request, who says whether a backend may answer; the first reason against it counts.

    Rules that can object to nobody, because the request says nothing of their matter, are left out once for all.
    """
    rules = tuple(_rules(needs, directives))

    def judge(backend: Backend) -> Verdict:
        for rule in rules:
            verdict = rule(backend, needs)
            if verdict is not None:
                return verdict
        return Verdict(backend)

    return judge


def _rules(needs: Needs, directives: Directives) -> Iterator[Rule]:
    if directives.backend or directives.allow_backends or directives.deny_backends:
        yield lambda backend, _: _directed(backend, directives)
    yield _capable
    if needs.regions or needs.data_policies:
        yield _placed
    if needs.providers or needs.states:
        yield _reads
    if needs.features:
        droppable = HINTS | directives.may_drop
        yield lambda backend, needs: _carries(backend, needs, droppable)
    yield _roomy
    if needs.max_cost_nano_usd is not None:
        yield _affordable


def _directed(backend: Backend, directives: Directives) -> Verdict | None:
    if directives.backend and backend.name != directives.backend:
        return Verdict(backend, Drop.PINNED_ELSEWHERE, f"the request asks for backend {directives.backend}")
    if directives.allow_backends and backend.name not in directives.allow_backends:
        return Verdict(backend, Drop.NOT_ALLOWED, "not among directives.allow_backends")
    if backend.name in directives.deny_backends:
        return Verdict(backend, Drop.DENIED, "named in directives.deny_backends")
    return None


def _capable(backend: Backend, needs: Needs) -> Verdict | None:
    if needs.capabilities <= backend.capabilities:
        return None
    missing = {
        word for word in needs.capabilities - backend.capabilities if _IMPLIED.get(word) not in backend.capabilities
    }
    if not missing:
        return None
    return Verdict(backend, Drop.CAPABILITY, f"lacks {', '.join(sorted(missing))}")


def _placed(backend: Backend, needs: Needs) -> Verdict | None:
    if needs.regions and not needs.regions & backend.regions:
        return Verdict(backend, Drop.REGION, f"not in {_words(needs.regions)}: it is in {_words(backend.regions)}")
    if not needs.data_policies <= backend.data_policies:
        lacking = needs.data_policies - backend.data_policies
        return Verdict(backend, Drop.DATA_POLICY, f"does not promise {_words(lacking)}")
    return None


def _reads(backend: Backend, needs: Needs) -> Verdict | None:
    for provider in needs.providers:
        if provider != backend.provider:
            return Verdict(backend, Drop.OPAQUE_STATE, f"holds a block only {provider} understands")
    for state in needs.states:
        if not _readable(backend, state):
            owner = f"{state.provider} {state.model}".strip()
            return Verdict(backend, Drop.OPAQUE_STATE, f"holds state only {owner} can read")
    return None


def _readable(backend: Backend, state: OpaqueState) -> bool:
    return state.provider == backend.provider and state.model in {"", backend.model, backend.model_id}


def _carries(backend: Backend, needs: Needs, droppable: frozenset[Feature]) -> Verdict | None:
    lacking = needs.features - backend.carries - droppable
    if not lacking:
        return None
    leave = "; allow it by directives.may_drop" if lacking <= MAY_DROP else ""
    return Verdict(backend, Drop.FEATURE, f"{backend.provider} cannot carry {named(lacking)}{leave}")


def _roomy(backend: Backend, needs: Needs) -> Verdict | None:
    window = backend.context_window
    if window is None or needs.context_tokens <= window:
        return None
    return Verdict(
        backend, Drop.CONTEXT_WINDOW, f"needs about {needs.context_tokens} tokens, its window holds {window}"
    )


def _affordable(backend: Backend, needs: Needs) -> Verdict | None:
    limit = needs.max_cost_nano_usd
    if limit is None:
        return None
    cost = worst_cost(backend, needs)
    if cost is None:
        return Verdict(
            backend, Drop.COST, "its cost has no known bound: give it a price, the request max_output_tokens"
        )
    if cost > limit:
        return Verdict(backend, Drop.COST, f"may cost {cost} nano-USD, the limit is {limit}")
    return None


def worst_cost(backend: Backend, needs: Needs) -> int | None:
    """Return the most one attempt may cost in nano-USD by the estimated input; None = no known bound.

    Providers that charge for writing their cache may write all of it, and some do so unasked.
    """
    read, window = needs.input_tokens, backend.context_window
    room = None if window is None else max(window - read, 0)
    limits = (needs.max_output_tokens, backend.max_output, room if needs.max_output_tokens is None else None)
    output = min((limit for limit in limits if limit is not None), default=None)
    if output is None:
        return None
    plain = cost_nano_usd(Usage(read, output), backend.price)
    written = cost_nano_usd(Usage(read, output, cache_write_tokens=read), backend.price)
    return None if plain is None or written is None else max(plain, written)


def _words(words: frozenset[str]) -> str:
    return ", ".join(sorted(words)) or "none that is known"
