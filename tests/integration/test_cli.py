"""The command line as an operator types it: every mistake is one line to act on, and nothing is started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quickthorn import Client, text

SCRIPTED = """\
server: {listen: 127.0.0.1:0, drain: {quiet: 50ms, grace: 2s}}
backends:
  - {name: a, provider: scripted, model: m, script: [{text: hello}]}
routes:
  - {name: default, backends: [a]}
"""


def quickthorn(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    command = [sys.executable, "-m", "quickthorn_server", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("QUICKTHORN")}
    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `quickthorn serve` and yield it and its first line."""
    command = [sys.executable, "-m", "quickthorn_server", "serve", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_serve_says_where_and_drains_on_sigterm(tmp_path: Path) -> None:
    """One line tells the address; SIGTERM ends the process with 0."""
    (tmp_path / "q.yaml").write_text(SCRIPTED)
    with running("--config", str(tmp_path / "q.yaml")) as (process, line):
        address = line.split()[3]
        with Client(address) as client:
            assert text(client.complete("hi")) == "hello"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """A drain that would wait for a hanging call ends when asked twice."""
    hanging = SCRIPTED.replace("{text: hello}", "{hang: true}").replace("grace: 2s", "grace: 60s")
    (tmp_path / "q.yaml").write_text(hanging)
    with running("--config", str(tmp_path / "q.yaml")) as (process, line), Client(line.split()[3]) as client:
        events = client.stream("hi")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        events.close()


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    """Although the holder would share it: exit 2, one line, nothing started."""
    (tmp_path / "q.yaml").write_text(SCRIPTED)
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        done = quickthorn("serve", "--config", str(tmp_path / "q.yaml"), "--listen", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith(
        f"cannot listen on {address}: another process does; stop it or choose another port"
    )


def test_a_bad_configuration_is_told_line_by_line(tmp_path: Path) -> None:
    """`check` and `serve` name file, line, what is wrong and what was meant; exit 2."""
    bad = SCRIPTED.replace("scripted", "scriptd").replace("routes:", "rotues:")
    (tmp_path / "q.yaml").write_text(bad)
    for command in ("check", "serve"):
        done = quickthorn(command, "--config", "q.yaml", folder=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        lines = done.stderr.splitlines()
        assert any(line.startswith("q.yaml:3:") and 'did you mean "scripted"' in line for line in lines)
        assert any(line.startswith("q.yaml:4:") and 'did you mean "routes"' in line for line in lines)


def test_a_bad_script_is_told_with_its_backend(tmp_path: Path) -> None:
    """What only the provider can judge is refused before anything starts, too."""
    (tmp_path / "q.yaml").write_text(SCRIPTED.replace("{text: hello}", "{txet: hello}"))
    done = quickthorn("check", "--config", str(tmp_path / "q.yaml"))
    assert done.returncode == 2
    assert "backend a: script, reply 1" in done.stderr


def test_init_writes_a_file_that_check_accepts(tmp_path: Path) -> None:
    """`init` then `check`, without a key; a second `init` does not overwrite."""
    assert quickthorn("init", folder=tmp_path).returncode == 0
    done = quickthorn("check", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "route default (priority)" in done.stdout
    again = quickthorn("init", folder=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_check_says_who_waits_who_is_lower_and_how_far_a_route_falls() -> None:
    """The examples of the README, in words."""
    examples = Path(__file__).parents[2] / "examples"
    ladder = quickthorn("check", "--no-secrets", "--config", str(examples / "ladder.yaml")).stdout.splitlines()
    assert next(line for line in ladder if "3. small" in line).endswith("; tier economy")
    assert ladder[-2:] == ["  answers fall no lower than canned", "  a human is told where nobody can answer"]
    fallback = quickthorn("check", "--no-secrets", "--config", str(examples / "fallback.yaml")).stdout
    assert "; asked only after 429, 500, 503, connect or timeout\n" in fallback
    assert "  the route takes 402 as terminal, 409 as retry\n" in fallback


def test_check_and_schema_speak_json(tmp_path: Path) -> None:
    """Scripts can read both."""
    (tmp_path / "q.yaml").write_text(SCRIPTED)
    done = quickthorn("check", "--json", "--config", str(tmp_path / "q.yaml"))
    assert json.loads(done.stdout)["routes"]["default"]["order"] == ["a"]
    assert "properties" in json.loads(quickthorn("schema").stdout)


def test_the_shell_gets_its_completion() -> None:
    """Bash, zsh and fish are known; anything else is a usage error."""
    for shell in ("bash", "zsh", "fish"):
        assert "_QUICKTHORN_COMPLETE" in quickthorn("completion", shell).stdout
    assert quickthorn("completion", "tcsh").returncode == 2


def test_serve_writes_records_where_it_is_told(tmp_path: Path) -> None:
    """`--records` needs nothing in the configuration; the last records are in the file when the process is gone."""
    (tmp_path / "q.yaml").write_text(SCRIPTED)
    file = tmp_path / "decisions.jsonl"
    with running("--config", str(tmp_path / "q.yaml"), "--records", str(file)) as (process, line):
        with Client(line.split()[3]) as client:
            answers = [client.complete("hi") for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert [json.loads(record)["id"] for record in file.read_text().splitlines()] == [answer.id for answer in answers]
