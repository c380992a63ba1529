"""Run the cases with the clients of every language: `python -m tests.conformance --help`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from ruamel.yaml import YAML

from tests.conformance.cases import Case, cases
from tests.conformance.judge import faults
from tests.conformance.programs import LANGUAGES, BuildError, Language, Program, ProgramError, build
from tests.conformance.stage import KEYS, Stage

KNOWN_FAILING = Path(__file__).parent / "known_failing.yaml"


def main(arguments: list[str]) -> int:
    """Run what is asked for; return 0 when nothing failed."""
    given = _arguments(arguments)
    chosen = [case for case in cases() if fnmatchcase(case.name, given.case)]
    known: Mapping[str, list[str]] = YAML(typ="safe").load(KNOWN_FAILING.read_text("utf-8")) or {}
    passed = failed = 0
    for name in given.language or LANGUAGES:
        language = LANGUAGES[name]
        if missing := language.missing():
            sys.stdout.write(f"{name}: skipped, {', '.join(missing)} not found\n")
            failed += given.required
            continue
        # Servers of its own: circuits that one language's failures open must not change what the next one sees.
        with tempfile.TemporaryDirectory(prefix="quickthorn-conformance-") as folder, Stage(Path(folder)) as stage:
            good, bad = _judged(name, language, stage, chosen, frozenset(known.get(name, ())), verbose=given.verbose)
        sys.stdout.write(f"{name}: {good} passed, {bad} failed\n")
        sys.stdout.flush()
        passed, failed = passed + good, failed + bad
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return 1 if failed or not passed else 0


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--language", action="append", choices=list(LANGUAGES), help="default: all; may be repeated")
    parser.add_argument("--case", default="*", help="a pattern of case names, such as 'cancel*'")
    parser.add_argument("--required", action="store_true", help="a missing toolchain is a failure")
    parser.add_argument("--verbose", action="store_true", help="name every case, and show what programs say")
    return parser.parse_args(arguments)


def _judged(
    name: str, language: Language, stage: Stage, chosen: list[Case], known: frozenset[str], *, verbose: bool
) -> tuple[int, int]:
    """Return how many cases passed and failed."""
    began = time.monotonic()
    sys.stderr.write(f"{name}: building\n")
    try:
        build(language)
    except BuildError as error:
        sys.stdout.write(f"{name}: FAILED to build: {error}\n")
        return 0, len(chosen)
    sys.stderr.write(f"{name}: built in {time.monotonic() - began:.0f} s, {len(chosen)} cases\n")
    bad = 0
    program: Program | None = None
    for case in chosen:
        program = program or Program(language, verbose).__enter__()
        try:
            found = _run(case, program, stage)
        except ProgramError as error:
            found = [str(error)]
            program.__exit__()
            program = None
        if case.name in known:
            found = [] if found else ["it is listed as known to fail, and passes: take it off the list"]
        if found or verbose:
            sys.stdout.write(f"{name} {case.name}: {'FAILED: ' + '; '.join(found) if found else 'passed'}\n")
        bad += bool(found)
    if program is not None:
        program.__exit__()
    return len(chosen) - bad, bad


def _run(case: Case, program: Program, stage: Stage) -> list[str]:
    with _target(case, stage) as target:
        tls = stage.papers.named(case.given["tls"]) if "tls" in case.given else None
        result: dict[str, object] = {}
        for line in case.lines(target, tls, KEYS):
            result = program.ask(line)
        real = case.server not in {"", "fake", "nobody", "draining"}
        return faults(case, result, stage.server(case.server).ended if real else lambda _: "")


@contextmanager
def _target(case: Case, stage: Stage) -> Iterator[str]:
    if case.server == "draining":
        with stage.draining(case.given["drain_after_ms"] / 1000) as address:
            yield address
    elif not case.server:
        yield ""
    else:
        scheme = case.given.get("scheme", "https" if "tls" in case.given else "")
        address = stage.address(case.server)
        yield f"{scheme}://{address}" if scheme else address


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
