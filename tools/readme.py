"""Hold the pages to what is true: examples are files that run, configurations are right, commands and links exist.

A fenced block that follows `<!-- example: examples/first.py -->` is the text of that file; with `#name` after the path,
of what stands between the file's lines `# begin name` and `# end name`, or `// begin name` and `// end name`.  A table
behind `<!-- table: providers -->` is the server's own word on what each of them carries.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from quickthorn_server.cli import main as quickthorn
from tools.commands import faults_of_command
from tools.environment import ROOT
from tools.support_table import table

PAGES = ("README.md", "clients/*/README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")
BLOCK = re.compile(
    r"(?:^<!-- example: (?P<source>\S+) -->\n\s*)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
TABLE = re.compile(r"^<!-- table: providers -->\n\n(?P<rows>(?:^\|.*\n)+)", re.MULTILINE)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
LANGUAGES = {"python": "Python", "go": "Go", "typescript": "TypeScript", "java": "Java", "rust": "Rust", "cpp": "C++"}
SHELLS = {"", "console", "sh", "bash", "shell"}
CONFIGURATION = re.compile(r"^(backends|routes):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it begins, its language, its text, and the file it repeats ("" if none)."""

    line: int
    language: str
    text: str
    source: str


def main(arguments: list[str] | None = None) -> int:
    """Write the examples into the pages, then check the pages; return the exit code: 0 all is true, 1 something not."""
    parser = argparse.ArgumentParser(prog="readme.py", description="Keep the pages true.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if an example differs from its file"
    )
    check = parser.parse_args(arguments).check
    pages = [page for pattern in PAGES for page in sorted(ROOT.glob(pattern))]
    if not check:
        for page in pages:
            page.write_text(filled(page.read_text(), ROOT))
    faults = [
        f"{page.relative_to(ROOT)}:{fault}" for page in pages for fault in faults_of(page.read_text(), page.parent)
    ]
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    if not faults:
        sys.stdout.write(f"{len(pages)} pages are true\n")
    return 1 if faults else 0


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [
        Block(page.count("\n", 0, found.start("text")), found["language"], found["text"], found["source"] or "")
        for found in BLOCK.finditer(page)
    ]


def filled(page: str, root: Path) -> str:
    """Return *page* with the present text of every file that it repeats."""

    def block(found: re.Match[str]) -> str:
        text = excerpt(root, found["source"]) if found["source"] else None
        kept = found["text"] if text is None else text
        return page[found.start() : found.start("text")] + kept + page[found.end("text") : found.end()]

    page = BLOCK.sub(block, page)
    return TABLE.sub(lambda found: found[0].replace(found["rows"], table()), page)


def excerpt(root: Path, source: str) -> str | None:
    """Return the text that *source*, a path and perhaps `#name`, stands for; None if there is none."""
    path, _, name = source.partition("#")
    if not (root / path).is_file():
        return None
    text = (root / path).read_text()
    if not name:
        return text
    found = re.search(
        rf"^\s*(?:#|//) begin {re.escape(name)}\n(.*?)^\s*(?:#|//) end {re.escape(name)}$",
        text,
        re.MULTILINE | re.DOTALL,
    )
    return textwrap.dedent(found[1]) if found else None


def faults_of(page: str, folder: Path) -> list[str]:
    """Return what is not true in a page that lies in *folder*, each with its line."""
    faults = [f"{block.line}: {fault}" for block in blocks(page) for fault in _faults_of_block(block)]
    faults += [
        f"{page.count(chr(10), 0, found.start())}: the table is an old one; run `python -m tools.readme`"
        for found in TABLE.finditer(page)
        if found["rows"] != table()
    ]
    faults += [
        f"{line}: `{command}`: {fault}" for line, command in _commands(page) for fault in faults_of_command(command)
    ]
    faults += [
        f"{line}: the link to {link} leads nowhere" for line, link in _links(page) if not (folder / link).exists()
    ]
    return faults


def _faults_of_block(block: Block) -> Iterator[str]:
    if block.source:
        text = excerpt(ROOT, block.source)
        if text is None:
            yield f"there is no {block.source}"
        elif text != block.text:
            yield f"differs from {block.source}; run `python -m tools.readme`"
    elif block.language in LANGUAGES:
        yield f"this {LANGUAGES[block.language]} is in no file that runs; put it into examples/ and name the file above"
    if block.language == "yaml" and CONFIGURATION.search(block.text):
        yield from _faults_of_configuration(block.text)


def _faults_of_configuration(text: str) -> Iterator[str]:
    """Yield what `quickthorn check` says against a configuration."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "quickthorn.yaml"
        file.write_text(text)
        ended = CliRunner().invoke(quickthorn, ["check", "--no-secrets", "--config", str(file)])
    if ended.exit_code:
        yield (ended.output.strip() or repr(ended.exception)).replace(f"{scratch}/", "")


def _commands(page: str) -> Iterator[tuple[int, str]]:
    """Yield the commands that a page names, with their lines: in shell blocks and in code spans."""
    for block in blocks(page):
        if block.language in SHELLS:
            for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
                yield number, line.removeprefix("$ ")
    for number, line in _prose(page):
        for found in CODE_SPAN.finditer(line):
            yield number, found[1]


def _links(page: str) -> Iterator[tuple[int, str]]:
    """Yield the links to files, with their lines."""
    for number, line in _prose(page):
        for found in LINK.finditer(line):
            yield number, found[1]


def _prose(page: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside of the blocks, with their numbers."""
    without = BLOCK.sub(lambda found: "\n" * found[0].count("\n"), page)
    yield from enumerate(without.splitlines(), start=1)


if __name__ == "__main__":
    sys.exit(main())
