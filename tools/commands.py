"""Say whether a command that a page names exists: a target of make, a command of quickthorn, its options."""

from __future__ import annotations

import re
import shlex
from functools import cache

import click

from quickthorn_server.cli import main as quickthorn
from tools.environment import ROOT

OURS = re.compile(r"\s*(\w+=\S*\s+)*(make|(\.venv/bin/)?quickthorn)\s")
PLACEHOLDER = re.compile(r"[A-Z.\[]|<")


def faults_of_command(line: str) -> list[str]:
    """Return what is wrong with a line of shell; nothing if it is not about make or quickthorn."""
    if OURS.match(line) is None:
        return []
    words = [word for word in shlex.split(line, comments=True) if not re.fullmatch(r"[A-Z_]+=.*", word)]
    return _faults_of_make(words[1:]) if words[0] == "make" else _faults_of_quickthorn(quickthorn, words[1:])


def _faults_of_make(words: list[str]) -> list[str]:
    named = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
    return [f"the Makefile has no {word}" for word in named if word not in targets()]


@cache
def targets() -> frozenset[str]:
    """Return the Makefile's targets."""
    return frozenset(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _faults_of_quickthorn(command: click.Command, words: list[str]) -> list[str]:
    """Follow *words* into the commands, then look up what begins with a dash."""
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words[0]
        inner = command.get_command(click.Context(command), name)
        if inner is None:
            return [] if PLACEHOLDER.match(name) else [f"{command.name} has no command {name}"]
        command, words = inner, words[1:]
    known = {option for parameter in command.get_params(click.Context(command)) for option in _spellings(parameter)}
    asked = [word.partition("=")[0].strip("[]") for word in words if re.match(r"\[?-[-\w]", word)]
    return [f"{command.name} has no option {word}" for word in asked if word not in known]


def _spellings(parameter: click.Parameter) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]
