"""Find what makes no sense about who waits for a failure, and about what follows from one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from quickthorn_server.config.defaults import retry_rule
from quickthorn_server.config.errors import Finding
from quickthorn_server.config.route import Entry, Route, tiers


def racing(route: Route) -> list[Entry]:
    """Return the entries that silence may lead to: of the first tier, and not waiting for another to fail."""
    return [
        entry for entry, rank in zip(route.backends, tiers(route)[1], strict=True) if not (rank or entry.fallback_on)
    ]


def _nobody_first(route: Route) -> Iterator[Finding]:
    if all(entry.fallback_on for entry in route.backends):
        hint = "write the bare name of who is asked first"
        yield Finding(("backends",), "every entry has fallback_on, so nobody would be asked first", hint)


def _idle_standby(route: Route) -> Iterator[Finding]:
    """Find entries that wait for what nobody would tell them, and turns of those who take none."""
    attempts = retry_rule(route).attempts
    for index, entry in enumerate(route.backends):
        if not entry.fallback_on:
            continue
        if attempts == 1:
            message = "retry.attempts allows 1 lane in a whole call, so nobody is asked after a failure"
            yield Finding(("backends", index, "fallback_on"), message, "write attempts: 2 or more under retry")
        if "weight" in entry.model_fields_set:
            message = "weight shares turns, and who waits for a failure takes none"
            yield Finding(("backends", index, "weight"), message, "remove it, or fallback_on", at_key=True)
        for cause in _ended(route, entry):
            message = f"on_status makes {cause} terminal, so nobody is asked after it"
            yield Finding(("backends", index, "fallback_on"), message, f"remove {cause} here, or there")


def _ended(route: Route, entry: Entry) -> list[int]:
    """Return the statuses that *entry* waits for in vain."""
    terminal = {status for status, given in (route.on_status or {}).items() if given == "terminal"}
    return sorted(terminal.intersection(entry.fallback_on or ()))


def _retried(route: Route) -> Iterator[Finding]:
    """Find statuses after which `retry` asks again and `on_status` does not."""
    asked_again = set(route.retry.on or ())
    for status, given in (route.on_status or {}).items():
        if given != "retry" and status in asked_again:
            message = f"{given}, and retry.on asks the same backend again after {status}"
            yield Finding(("on_status", str(status)), message, f"write retry, or remove {status} from retry.on")


STANDBY_RULES: tuple[Callable[[Route], Iterator[Finding]], ...] = (_nobody_first, _idle_standby, _retried)
