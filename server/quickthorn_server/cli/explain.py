"""`quickthorn explain`: what would happen to a request, and why."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quickthorn import Client, CompletionFields, messages, to_json
from quickthorn_server.cli.connection import calls_server
from quickthorn_server.cli.options import config_option
from quickthorn_server.cli.replay import replay
from quickthorn_server.cli.terminal import dollars, duration, say, table

_LIMITS = ("connect", "first_token", "idle", "total")


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "--replay",
    "record",
    metavar="FILE[:LINE|:ID]",
    help="Instead of PROMPT, plan a recorded call again: the last one in FILE (`-` is standard input), or that one.",
)
@click.option("--id", "identifier", metavar="ID", help="With --replay: the record of this request.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the whole explanation as JSON.")
@calls_server
def explain(
    prompt: str | None,
    *,
    record: str | None,
    identifier: str | None,
    file: Path | None,
    as_json: bool,
    client: Client,
    fields: CompletionFields,
) -> None:
    """Show what a running server would do with a request, and why, without doing it.

    Every backend of the route is listed, kept or dropped with the reason, in the order in which it would be asked; then
    when a second one would be asked because the first is slow. PROMPT is as for `complete`. Nothing is sent to any
    provider.

    With --replay no server is asked: a decision record (`serve --records`) is planned again under the configuration
    that --config names, with the needs and circuits of then, and what differs is said.

    Exit status: 0 explained, 1 the call failed, 2 the arguments cannot work.

    \b
    quickthorn explain "Why is the sky blue?"
    quickthorn explain --route cheap --max-output-tokens 500 - < long.txt
    quickthorn explain --json "Hello" | jq .order
    quickthorn explain --replay decisions.jsonl --id req-17 --config next.yaml
    """  # noqa: D301 - click reads \b as: do not wrap
    if record is not None:
        if prompt is not None or any(value is not None for value in fields.values()):
            raise click.UsageError("--replay takes what was asked from the record: leave out PROMPT and its options")
        replay(record, identifier, file, as_json=as_json)
        return
    if prompt is None or identifier is not None:
        raise click.UsageError("--id needs --replay" if identifier else "Missing argument 'PROMPT'.")
    explanation = client.explain(sys.stdin.read() if prompt == "-" else prompt, **fields)
    if as_json:
        click.echo(to_json(explanation, indent=2))
    else:
        say("\n".join(explained(explanation)))


def explained(explanation: messages.Explanation) -> list[str]:
    """Return *explanation* as lines for people."""
    heads = ("#", "backend", "model", "verdict", "circuit", "estimate", *(limit.replace("_", " ") for limit in _LIMITS))
    rows = [_candidate(candidate) for candidate in explanation.candidates]
    return [
        _summary(explanation),
        *table(heads, rows, right=(5, 6, 7, 8, 9)),
        f"order: {', then '.join(explanation.order) or 'nobody can serve this request'}",
        f"hedging: {_hedging(explanation.hedge)}",
        *([f"ladder: {', then '.join(explanation.ladder)}"] if explanation.ladder else []),
        *(f"note: {note}" for note in explanation.notes),
    ]


def _summary(explanation: messages.Explanation) -> str:
    upstream = messages.UpstreamMode.Name(explanation.upstream).removeprefix("UPSTREAM_MODE_").lower()
    told = [
        f"route {explanation.route} ({explanation.strategy})",
        f"at most {explanation.max_attempts} lanes",
        f"upstream {upstream}",
        f"about {explanation.estimated_input_tokens} input tokens",
        f"needs {', '.join(explanation.needs) or 'nothing special'}",
    ]
    return "; ".join(told)


def _candidate(candidate: messages.Candidate) -> tuple[str, ...]:
    limits = candidate.timeouts
    dropped = f"dropped: {candidate.reason}{f' ({candidate.detail})' if candidate.detail else ''}"
    known = candidate.HasField("estimated_cost_nano_usd")
    return (
        str(candidate.position + 1) if candidate.kept else "-",
        candidate.backend,
        candidate.model,
        "kept" if candidate.kept else dropped,
        messages.CircuitState.Name(candidate.circuit)
        .removeprefix("CIRCUIT_STATE_")
        .lower()
        .replace("unspecified", "-"),
        dollars(candidate.estimated_cost_nano_usd) if known else "-",
        *(duration(getattr(limits, limit)) if limits.HasField(limit) else "-" for limit in _LIMITS),
    )


def _hedging(rule: messages.HedgeRule) -> str:
    basis = f" ({rule.basis})" if rule.basis else ""
    if not rule.HasField("delay"):
        return f"none: {rule.no_hedge}{basis}" if rule.no_hedge else "none"
    learned = bool(rule.basis or rule.learned_from)
    aim = f", the {rule.target} of its first content" if rule.target and not learned else ""
    share = f" for {rule.probability:.1%} of such calls" if rule.HasField("probability") else ""
    to = f", on {', then '.join(rule.to)}" if rule.to else ""
    return f"after {duration(rule.delay)} of silence{share}{aim}{to}, at most {rule.max_parallel} lanes at once{basis}"
