"""Draw what a budget buys: the target percentile over the extra load, and the tail at one budget."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from math import inf

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from quickthorn_server.simulation.measure import Measured
from quickthorn_server.simulation.report import Report
from quickthorn_server.simulation.trial import Tried
from quickthorn_server.simulation.words import exactly, name, span

# Colours that people who see few colours tell apart (Okabe and Ito), readable on white and on dark grounds.
_LOOKS = {
    "none": ("#7f7f7f", "--", ""),
    "fixed": ("#e69f00", "-", "s"),
    "percentile": ("#cc79a7", "-", "^"),
    "auto": ("#0072b2", "-", "o"),
    "oracle": ("#009e73", ":", ""),
}
_POINTS, _MANY_DECADES = 400, 500
_INCHES = (11, 4.6)


def drawn(report: Report, curve: Sequence[Tried], kind: str) -> bytes:
    """Return the picture as `png` or `svg`; *curve*: results at budgets from small to large."""
    with rc_context({"svg.hashsalt": "quickthorn", "svg.fonttype": "path", "font.size": 9}):
        figure = Figure(figsize=_INCHES, layout="constrained")
        left, right = figure.subplots(1, 2)
        _trade_off(left, report, curve)
        _tail(right, report)
        figure.suptitle(f"{report.source.name}: what hedging buys", fontsize=11)
        out = BytesIO()
        figure.savefig(out, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})
    return out.getvalue()


def _trade_off(axes: Axes, report: Report, curve: Sequence[Tried]) -> None:
    target = report.terms.target
    colour, line, _ = _LOOKS["none"]
    axes.axhline(report.without.at(target), color=colour, linestyle=line, label="none")
    for rules in zip(*(tried.rules for tried in curve), strict=True):
        colour, line, marker = _LOOKS[rules[0].rule]
        loads = [rule.load * 100 for rule in rules]
        times = [rule.at(target) for rule in rules]
        axes.plot(loads, times, color=colour, linestyle=line, marker=marker, markersize=4, label=_label(rules[0]))
    if report.recommendation.budget is not None:
        budget = report.recommendation.budget
        axes.axvline(budget * 100, color="#bbbbbb", linewidth=0.8)
        axes.annotate(exactly(budget), (budget * 100, axes.get_ylim()[1]), fontsize=8, ha="left", va="bottom")
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_xlabel("extra requests, % of calls")
    axes.set_title(f"{name(target)} to first content, over what it costs")
    _dress(axes.yaxis, axes)


def _tail(axes: Axes, report: Report) -> None:
    budget = report.recommendation.budget
    tried = next((each for each in report.tried if each.budget == budget), report.tried[-1])
    least = max(1 / (report.population.times or inf), 1 / len(report.without.times))
    for rule in (report.without, *tried.rules):
        colour, line, _ = _LOOKS[rule.rule]
        axes.plot(*_beyond(rule.times, least), color=colour, linestyle=line, label=_label(rule))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(least, 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g}%"))
    axes.set_title(f"calls that take longer, at a budget of {exactly(tried.budget)}")
    axes.axhline(1 - report.terms.target, color="#bbbbbb", linewidth=0.8)
    _dress(axes.xaxis, axes)
    axes.set_xlabel("time to first content")


def _beyond(ascending: Sequence[float], least: float) -> tuple[list[float], list[float]]:
    """Return times and the shares that take longer, evenly spaced in the logarithm of the share."""
    count = len(ascending)
    shares = [least ** (n / _POINTS) for n in range(_POINTS + 1)]
    return [ascending[min(count - 1, max(0, count - round(share * count)))] for share in shares], shares


def _dress(axis: Axis, axes: Axes) -> None:
    """Label a logarithmic axis of times as people say them."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0,) if high > _MANY_DECADES * low else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: span(seconds)))
    axis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _label(rule: Measured) -> str:
    return f"percentile {rule.setting}" if rule.rule == "percentile" else rule.rule
