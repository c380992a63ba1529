"""The tool that holds the pages to what is true finds each kind of untruth, and its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.commands import faults_of_command
from tools.environment import ROOT
from tools.readme import excerpt, faults_of, filled

FIRST = "# Uses it.\n\nprint('first')\n"
REGION = "import this\n\ndef main():\n    # begin call\n    if True:\n        call()\n    # end call\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with two examples."""
    (tmp_path / "first.py").write_text(FIRST)
    (tmp_path / "region.py").write_text(REGION)
    return tmp_path


def _page(text: str, language: str = "python", source: str = "first.py") -> str:
    return f"# Title\n\n<!-- example: {source} -->\n```{language}\n{text}```\n\nMore.\n"


def test_an_example_is_filled_in(root: Path) -> None:
    """The block takes the file's text; what is around it stays."""
    assert filled(_page("old\n"), root) == _page(FIRST)
    assert filled(_page(""), root) == _page(FIRST)
    assert filled(_page(FIRST), root) == _page(FIRST)


def test_a_region_is_filled_in_without_its_indent(root: Path) -> None:
    """A part of a file reads like a file."""
    assert filled(_page("", source="region.py#call"), root) == _page("if True:\n    call()\n", source="region.py#call")


def test_a_block_without_a_mark_is_left_alone(root: Path) -> None:
    """Only what says where it comes from is written."""
    page = "```python\nprint('old')\n```\n"
    assert filled(page, root) == page


def test_no_file_no_excerpt(root: Path) -> None:
    """A mark that names nothing is reported, not filled with nothing."""
    assert excerpt(root, "missing.py") is None
    assert excerpt(root, "region.py#missing") is None


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("\n<!-- example: Makefile -->\n```make\nold\n```\n", "3: differs from Makefile"),
        ("<!-- example: missing.py -->\n```python\n```\n", "2: there is no missing.py"),
        ("```python\nprint()\n```\n", "1: this Python is in no file that runs"),
        ("See [it](missing.md).\n", "1: the link to missing.md leads nowhere"),
        ("```\n$ make nothing\n```\n", "2: `make nothing`: the Makefile has no nothing"),
        ("Say\n`make nothing`.\n", "2: `make nothing`: the Makefile has no nothing"),
        ("```sh\n\nquickthorn serve --fast\n```\n", "3: `quickthorn serve --fast`: serve has no option --fast"),
        ("```yaml\nroutes: [{name: default, backends: [missing]}]\n```\n", "1: "),
    ],
)
def test_an_untruth_is_found_in_its_line(page: str, fault: str) -> None:
    """Each rule can fail, and says where."""
    found = faults_of(page, ROOT)
    assert len(found) == 1
    assert found[0].startswith(fault)


@pytest.mark.parametrize(
    "page",
    [
        "See [the licence](LICENSE), [elsewhere](https://example.com/x), [below](#below).\n",
        "```yaml\nreplicas: 2\n```\n",
        "```yaml\nbackends: [{name: only, provider: local}]\nroutes: [{name: default, backends: [only]}]\n```\n",
        "```json\n{}\n```\n",
    ],
)
def test_the_truth_is_not_a_fault(page: str) -> None:
    """A page may name what there is."""
    assert faults_of(page, ROOT) == []


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("make demo", None),
        ("make test PYTHON=python3.13", None),
        ("make -j2 lint type", None),
        ("make dmeo", "the Makefile has no dmeo"),
        ("make lint tpye", "the Makefile has no tpye"),
        ("quickthorn serve --config quickthorn.yaml", None),
        ("OPENAI_API_KEY=x quickthorn serve -c quickthorn.yaml", None),
        ("quickthorn check --no-secrets --config=x.yaml   # no keys", None),
        ('quickthorn complete "Why is rain wet?"', None),
        ("quickthorn serve [--config F]", None),
        ("quickthorn local pull", None),
        ("quickthorn --version", None),
        ("quickthorn COMMAND --help", None),
        ("quickthorn serv", "main has no command serv"),
        ("quickthorn local push", "local has no command push"),
        ("quickthorn check --secrets", "check has no option --secrets"),
        ("quickthorn --verson", "main has no option --verson"),
        ("pip install 'quickthorn[local]'", None),
        ("don't", None),
    ],
)
def test_a_command_exists_or_not(command: str, fault: str | None) -> None:
    """Targets, commands and options are looked up where they are defined."""
    assert faults_of_command(command) == ([fault] if fault else [])
