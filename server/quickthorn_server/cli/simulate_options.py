"""The options of `quickthorn simulate`, under the headings that its help has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from click import Option

from quickthorn_server.cli.simulate_kinds import CONDITION, PERCENTILE, POLICY, PRICE, SHARE, TARGET, TIME
from quickthorn_server.simulation.csv_logs import UNITS
from quickthorn_server.simulation.profiles import PROFILES

LOG = click.Argument(
    ["log"], required=False, metavar="[LOG]", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path)
)

_FILE = click.Path(dir_okay=False, path_type=Path)
_CANCELLED = click.Choice(["free", "so_far", "full"])

SECTIONS: Mapping[str, tuple[Option, ...]] = {
    "Where the calls come from": (
        Option(["--profile"], metavar="NAME", type=click.Choice(list(PROFILES)),
               help="A built-in population instead of a LOG."),
        Option(["--list-profiles", "lists"], is_flag=True, help="List the built-in populations."),
        Option(["--column"], metavar="NAME", default="",
               help="The column with the times. Default: ttft_s, first_content, latency_ms and the like."),
        Option(["--unit"], metavar="s|ms|us", type=click.Choice(["", *UNITS]), default="",
               help="Its unit, where its name does not end with it."),
        Option(["--by"], metavar="COLUMN", default="",
               help="The column that names the backend. Default: backend, provider or model."),
        Option(["--where"], metavar="COLUMN=VALUE", multiple=True, type=CONDITION,
               help="Only rows in which that stands; of records: route, caller, outcome."),
        Option(["--backend"], metavar="NAME", help="Who is asked first."),
        Option(["--hedge-to"], metavar="NAME", multiple=True,
               help="Who gets hedges; again for who is next. Default: one as fast, or as recorded."),
    ),
    "What is tried": (
        Option(["--budget", "budgets"], metavar="SHARE", multiple=True, type=SHARE,
               help="Extra requests as a share of calls; again to compare. Default: 5%."),
        Option(["--target"], metavar="P", type=TARGET,
               help="The percentile to hold, p50 to p99, p99.5 or p99.9. Default: p99, or the highest below that can "
               "be told."),
        Option(["--max-parallel"], metavar="2..4", type=click.IntRange(2, 4), default=2,
               help="Most lanes of a call at once. Default: 2."),
        Option(["--burst"], metavar="N", type=click.IntRange(1, 1_000_000), default=50,
               help="How many hedges may come at once. Default: 50."),
        Option(["--fixed"], metavar="TIME", type=TIME,
               help="The delay of the rule `fixed`. Default: the shortest that the budget pays for."),
        Option(["--percentile"], metavar="P", type=PERCENTILE, default="p95",
               help="The delay of the rule `percentile`. Default: p95."),
    ),
    "What it costs": (
        Option(["--price"], metavar="IN,OUT", type=PRICE, help="USD per million tokens of who is asked first."),
        Option(["--hedge-price"], metavar="IN,OUT", type=PRICE, help="The same of who gets hedges. Default: --price."),
        Option(["--tokens"], metavar="IN,OUT", type=PRICE, default="1000,250",
               help="Tokens of a usual call. Default: 1000,250."),
        Option(["--cancelled"], metavar="free|so_far|full", type=_CANCELLED, default="so_far",
               help="What a cancelled lane is billed: nothing, its input, or all. Default: so_far."),
    ),
    "How it runs": (
        Option(["--requests"], metavar="N", type=click.IntRange(1_000, 10_000_000), default=100_000,
               help="How many calls to draw; a fifth of them warms up. Default: 100,000."),
        Option(["--seed"], metavar="N", type=click.IntRange(0), default=1,
               help="The same seed draws the same calls. Default: 1."),
        Option(["--plot"], metavar="FILE", type=_FILE, help="Draw the trade-off and the tail into a .png or .svg."),
        Option(["--json", "as_json"], is_flag=True, help="Print JSON instead of text."),
    ),
    "For machines": (
        Option(["--replay"], metavar="IN", type=_FILE, help="Play these calls, row by row, through one policy."),
        Option(["--policy"], metavar="POLICY", type=POLICY, default="auto",
               help="auto, none, a time like 300ms or a percentile like p95. Default: auto."),
        Option(["--out"], metavar="OUT", type=_FILE, help="Where the decisions go. Default: standard output."),
    ),
}  # fmt: skip


class Sectioned(click.Command):
    """A command that lists its options under the headings of SECTIONS."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, and at last what every command has."""
        known = [option for options in SECTIONS.values() for option in options]
        others = [option for option in self.get_params(ctx) if option not in known and isinstance(option, Option)]
        for heading, options in (*SECTIONS.items(), ("Else", others)):
            with formatter.section(heading):
                formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])
