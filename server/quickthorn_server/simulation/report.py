"""What was tried, for people and as JSON: percentiles, extra load and extra cost of each rule at each budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from quickthorn_server.simulation.logs import LeftOut
from quickthorn_server.simulation.measure import SHARES, Measured
from quickthorn_server.simulation.population import BEYOND, Population
from quickthorn_server.simulation.recommend import Recommendation
from quickthorn_server.simulation.trial import Terms, Tried
from quickthorn_server.simulation.words import dollars, exactly, name, percent, span

Json = dict[str, Any]

HEADS = ("budget", "rule", *map(name, SHARES), "extra load", "extra cost")
RIGHT = range(2, len(HEADS))
"""Which columns of the table are numbers."""

_UNTOLD = "?"
_MANY = 50  # times beyond a percentile that make it firm
_ALWAYS = (
    "lanes of a call are taken as independent of each other, and as no slower for the extra load",
    "failures and retries are left out",
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the calls come from: *name*, *rows* that were read and *used*, what was *left_out*, what it *says*."""

    name: str
    rows: int | None
    left_out: Sequence[LeftOut]
    says: str
    remarks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found: *possible*: budget -> the least that the target percentile could be."""

    source: Source
    population: Population
    terms: Terms
    without: Measured
    tried: Sequence[Tried]
    possible: Mapping[float, float]
    recommendation: Recommendation

    def tells(self, share: float) -> bool:
        """Whether both the log and the simulation know the percentile *share*."""
        return tells(self.population, self.terms, share)


def tells(population: Population, terms: Terms, share: float) -> bool:
    """Whether the percentile *share* can be told: enough times lie beyond it in what was read and what was drawn."""
    return population.knows(share) and (terms.requests - terms.warm_up) * (1 - share) >= BEYOND - 1e-6


def why_untold(population: Population, terms: Terms, share: float) -> str:
    """Return why the percentile *share* cannot be told."""
    takes, drawn = round(BEYOND / (1 - share)), terms.requests - terms.warm_up
    if population.times is not None and population.times < takes:
        return f"it takes {takes:,} times, and there are {population.times:,}"
    return f"it takes {takes:,} calls, and {drawn:,} of --requests count"


def rows(report: Report) -> list[tuple[str, ...]]:
    """Return the rows of the table."""
    return [
        _row("", report.without, report),
        *(
            _row(exactly(tried.budget) if rule is tried.fixed else "", rule, report)
            for tried in report.tried
            for rule in tried.rules
        ),
    ]


def above(report: Report) -> Iterator[str]:
    """Yield what is said before the table: what was read, and what is simulated."""
    source, terms = report.source, report.terms
    if source.rows is None:
        yield f"profile {source.name}: {source.says}"
    else:
        out = sum(each.count for each in source.left_out)
        used = "all of them used" if not out else f"{source.rows - out:,} used"
        yield f"{source.name}: {source.rows:,} rows, {used}; {source.says}"
        yield from (f"  left out {each}" for each in source.left_out)
        yield report.population.lanes
    yield (
        f"{terms.requests:,} calls drawn from it (seed {terms.seed}), the first {terms.warm_up:,} to warm up; "
        f"target {name(terms.target)}, at most {terms.max_parallel} lanes, burst {terms.burst}"
    )


def below(report: Report) -> Iterator[str]:
    """Yield what is said after the table: what to write, what other budgets could buy, and what all of it rests on."""
    yield f"=> {report.recommendation.why}"
    if report.recommendation.settings:
        yield "   into the route:"
        yield from (f"     {line}" for line in report.recommendation.settings)
    if report.recommendation.beside and report.tells(SHARES[-1]):
        yield f"   but {report.recommendation.beside}"
    could = ", ".join(f"{exactly(budget)} {span(time, report.terms.bound)}" for budget, time in report.possible.items())
    yield f"the best possible {name(report.terms.target)} by budget: {could}"
    yield from (f"note: {remark}" for remark in _remarks(report))


def described(report: Report) -> Json:
    """Return all of it as JSON: times in seconds, shares as fractions, null = not known.

    Times from `at_least_from_s` on are only known to be at least that long.
    """
    source, terms, advice = report.source, report.terms, report.recommendation
    return {
        "source": {
            "name": source.name,
            "rows": source.rows,
            "left_out": [{"why": each.why, "count": each.count, "lines": each.lines} for each in source.left_out],
            "says": source.says,
        },
        "lanes": report.population.lanes,
        "requests": terms.requests,
        "warm_up": terms.warm_up,
        "seed": terms.seed,
        "target": terms.target,
        "max_parallel": terms.max_parallel,
        "burst": terms.burst,
        "at_least_from_s": None if terms.bound == inf else terms.bound,
        "none": _json(report.without, report),
        "budgets": [
            {"budget": tried.budget, "rules": [_json(rule, report) for rule in tried.rules]} for tried in report.tried
        ],
        "possible": [{"budget": budget, "seconds": time} for budget, time in report.possible.items()],
        "recommendation": {"why": advice.why, "budget": advice.budget, "settings": list(advice.settings)},
        "notes": list(_remarks(report)),
    }


def _row(budget: str, rule: Measured, report: Report) -> tuple[str, ...]:
    return (
        budget,
        f"{rule.rule} {rule.setting}".strip(),
        *(span(rule.at(share), report.terms.bound) if report.tells(share) else _UNTOLD for share in SHARES),
        percent(rule.load) if rule.rule != "none" else "",
        _cost(rule, report.terms) if rule.rule != "none" else "",
    )


def _cost(rule: Measured, terms: Terms) -> str:
    if not terms.bill.known:
        return f"<= {percent(rule.cost)}"
    return f"{percent(rule.cost)}, {dollars(rule.cost_per_call * 1000)} per 1,000 calls"


def _remarks(report: Report) -> Iterator[str]:
    yield from _knowledge(report)
    yield from report.source.remarks
    yield from report.population.remarks
    if not report.terms.bill.known:
        yield "extra cost is the most it can be: all lanes billed in full at one price (--price, --cancelled)"
    yield from _ALWAYS


def _knowledge(report: Report) -> Iterator[str]:
    """Yield what the log is too small for, and what rests on few times."""
    for share in SHARES:
        if not report.tells(share):
            yield f"{name(share)} cannot be told: {why_untold(report.population, report.terms, share)}"
    target, times = report.terms.target, report.population.times
    if times is not None and (slowest := round(times * (1 - target))) < _MANY:
        yield f"{name(target)} rests on the {slowest} slowest of {times:,} times: other ones may tell otherwise"


def _json(rule: Measured, report: Report) -> Json:
    return {
        "rule": rule.rule,
        "setting": rule.setting,
        **{f"{name(share)}_s": rule.at(share) if report.tells(share) else None for share in SHARES},
        "target_s": rule.at(report.terms.target),
        "extra_load": rule.load,
        "extra_cost": rule.cost,
        "extra_usd_per_1000": rule.cost_per_call * 1000 if report.terms.bill.known else None,
    }
