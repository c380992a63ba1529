"""A key that is refused: told once, its backend left alone until there is another, and nobody else's matter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quickthorn_server.config.key_files import KeyFiles
from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.catalogue import Backend, Catalogue, Entry, Route
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Failure, Reason
from quickthorn_server.core.plan import Drop, Forced, Knowledge
from quickthorn_server.core.request import Request
from quickthorn_server.core.secret import Secret
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.ending import nobody_left
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.refusal import KeyRefused
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.routing.refusal import refusal
from quickthorn_server.routing.router import plan
from quickthorn_server.telemetry.log import LogObserver
from tests.support.cast import PROMPT, Cast, fails, says
from tests.support.virtual import run_virtual

REFUSED = fails(Failure.UNAUTHENTICATED, after=0.5, http_status=401)


def cast_of(**scripts: Scripted) -> Cast:
    return Cast(rule=None, timeouts=None, budget=None, limits=None, heartbeat=None, **scripts)


async def asked(cast: Cast, calls: int, every: float = 0.0) -> list[str]:
    """Make *calls*, one *every* so many seconds; return how they ended."""

    async def one() -> str:
        try:
            await cast.completed(cast.plan())
        except CallError as error:
            return error.reason.value
        return "answered"

    tasks = []
    for _ in range(calls):
        tasks.append(asyncio.create_task(one()))
        await asyncio.sleep(every)
    return [await task for task in tasks]


def test_only_what_was_in_flight_reaches_a_backend_that_refuses_its_key() -> None:
    """Ten calls are under way when the first 401 comes; of a thousand that follow none is sent, and none waits."""

    async def main() -> None:
        cast = cast_of(a=Scripted(REFUSED))
        assert await asked(cast, 10, every=0.01) == [Reason.BACKEND_MISCONFIGURED.value] * 10
        began = asyncio.get_running_loop().time()
        assert await asked(cast, 1000) == [Reason.BACKEND_MISCONFIGURED.value] * 1000
        assert asyncio.get_running_loop().time() == began
        await asyncio.sleep(100_000)
        assert await asked(cast, 1) == [Reason.BACKEND_MISCONFIGURED.value]
        assert len(cast.scripts["a"].opened_at) == 10
        assert cast.told.keys == [("a", True)]
        assert cast.told.circuits == []

    run_virtual(main())


def test_calls_that_were_planned_before_go_elsewhere() -> None:
    """The plan still names the backend; it is passed over when its turn comes, without a lane."""

    async def main() -> None:
        cast = cast_of(a=Scripted(REFUSED), b=Scripted(says("B")))
        await asked(cast, 1)
        assert await asked(cast, 1000) == ["answered"] * 1000
        assert len(cast.scripts["a"].opened_at) == 1
        assert [lane.backend for lane in cast.trace.attempts] == ["b"]

    run_virtual(main())


def test_another_key_lets_calls_through_again() -> None:
    """A refusal of the earlier key, still on its way then, is old news."""

    async def main() -> None:
        cast = cast_of(a=Scripted(REFUSED, REFUSED, says("A")))
        first, second = asyncio.create_task(asked(cast, 1)), asyncio.create_task(asked(cast, 1))
        await asyncio.sleep(0.25)
        cast.breakers["a"].key_renewed()
        await asyncio.wait([first, second])
        assert cast.told.keys == []
        assert await asked(cast, 1) == ["answered"]

    run_virtual(main())


@pytest.mark.parametrize("failure", [each for each in Failure if each is not Failure.UNAUTHENTICATED])
def test_nothing_else_counts_against_a_key(failure: Failure) -> None:
    """Forbidden, in particular, may speak of one model, file or prompt: the next call may well be allowed."""

    async def main() -> None:
        cast = cast_of(a=Scripted(fails(failure, http_status=403), says("A")))
        await asked(cast, 1)
        assert cast.breakers.keys_refused == frozenset()
        assert await asked(cast, 1) == ["answered"]

    run_virtual(main())


@pytest.mark.parametrize(
    ("spoil", "reason", "wait"),
    [
        (lambda cast: cast.breakers["b"].key_refused(0), Reason.BACKEND_MISCONFIGURED, None),
        (lambda cast: cast.breakers["b"].limited(7.0), Reason.ALL_FAILED, 7.0),
        (lambda cast: cast.breakers["b"].force(Forced.OPEN), Reason.NO_HEALTHY_BACKEND, 5.0),
    ],
)
def test_a_key_is_to_blame_where_every_key_was_refused(
    spoil: Callable[[Cast], None], reason: Reason, wait: float | None
) -> None:
    """Otherwise something else keeps the call from being answered, and will pass; no wait is told for a key."""

    async def main() -> None:
        cast = cast_of(a=Scripted(says("A")), b=Scripted(says("B")))
        cast.breakers["a"].key_refused(0)
        spoil(cast)
        with pytest.raises(CallError) as failed:
            await cast.completed(cast.plan())
        assert failed.value.reason is reason
        assert failed.value.retry_after == wait
        with pytest.raises(KeyRefused):
            cast.breakers["a"].admit()

    run_virtual(main())


def test_a_wait_is_told_though_nobody_waits_for_a_key() -> None:
    """Where an empty purse, say, keeps the others from being asked, the wait is the usual short one."""

    async def main() -> None:
        cast = cast_of(a=Scripted(says("A")), b=Scripted(says("B")))
        error = nobody_left(cast.plan(), [], [KeyRefused("a")], Trace((), None, "", None, "v"))
        assert (error.reason, error.retry_after) == (Reason.NO_HEALTHY_BACKEND, 1.0)

    run_virtual(main())


def backends(*names: str) -> Catalogue:
    made = {name: Backend(name, "openai", "m", "m", api_key_env="SOME_KEY") for name in names}
    return Catalogue(made, {"default": Route("default", tuple(map(Entry, names)))}, "1")


class Bench:
    """The breaker of a backend, the clock it reads, and what it told of its key."""

    def __init__(self, api_key: Secret | None) -> None:
        self.now = 0.0
        self.told: list[bool] = []
        backend = Backend("a", "bedrock", "m", "m", api_key=api_key)
        told_key = lambda _, refused: self.told.append(refused)  # noqa: E731 - as short as it is
        self.breakers = Breakers([backend], lambda: self.now, lambda *_: None, told_key=told_key)
        self.refused = BackendError(Failure.UNAUTHENTICATED)

    def admit(self) -> Permit:
        return self.breakers["a"].admit()


def test_an_answer_proves_nothing_of_a_key() -> None:
    """An attempt that was under way when the key was revoked may still be answered: the next one would not be."""
    bench = Bench(Secret("sk-1"))
    early, late = bench.admit(), bench.admit()
    late.failed(bench.refused)
    early.succeeded()
    bench.now = 1e9
    with pytest.raises(KeyRefused):
        bench.admit()
    assert (bench.told, bench.breakers.keys_refused) == ([True], frozenset({"a"}))


def test_credentials_that_are_not_ours_are_tried_again_once_a_minute() -> None:
    """Those of a machine renew themselves: one attempt a minute is let through, and an answer opens the gate."""
    bench = Bench(None)
    bench.admit().failed(bench.refused)
    for minute in (60.0, 120.0, 180.0):
        bench.now = minute - 0.1
        with pytest.raises(KeyRefused):
            bench.admit()
        bench.now = minute
        trial = bench.admit()
        with pytest.raises(KeyRefused):
            bench.admit()
        if minute < 180.0:
            trial.failed(bench.refused)
    assert (bench.told, bench.breakers.keys_refused) == ([True], frozenset())  # plans ask it: a call must be the trial
    trial.succeeded()
    assert bench.told == [True, False]
    bench.admit()


def test_plans_leave_it_out_and_say_why() -> None:
    """So do explanations and records; where nobody else is left, the call is misconfigured."""
    planned = plan(Request(PROMPT), backends("a", "b"), Knowledge(keys_refused=frozenset({"a"})), 0)
    assert [(verdict.drop, verdict.detail) for verdict in planned.verdicts] == [
        (Drop.KEY_REFUSED, "its provider refused its key"),
        (None, ""),
    ]
    assert [backend.name for backend in planned.order] == ["b"]
    nobody = plan(Request(PROMPT), backends("a"), Knowledge(keys_refused=frozenset({"a"})), 0)
    error = refusal(nobody)
    assert error is not None
    assert (error.reason, error.retry_after) == (Reason.BACKEND_MISCONFIGURED, None)


def test_the_log_names_the_key_and_never_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    """One warning: backend and where its key came from."""
    backend = Backend("a", "openai", "m", "m", api_key=Secret("sk-secret"), api_key_env="SOME_KEY")
    with caplog.at_level(logging.INFO):
        LogObserver().key_changed(backend, refused=True)
        LogObserver().key_changed(replace(backend, api_key=None, api_key_env=""), refused=True)
        LogObserver().key_changed(replace(backend, api_key_env="", api_key_file="/run/key"), refused=False)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [
        ("WARNING", "key refused backend=a key=SOME_KEY: not asked until it has another"),
        ("WARNING", "key refused backend=a key=none: not asked for a while"),
        ("INFO", "key renewed backend=a key=/run/key"),
    ]


def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Another key is told once; the same key written anew, an empty file and a missing one are none."""
    file = tmp_path / "key"
    file.write_text("one\n")
    backend = Backend("a", "openai", "m", "m", api_key=Secret("one"), api_key_file=str(file))
    files = KeyFiles([backend, Backend("b", "openai", "m", "m", api_key_env="SOME_KEY")])
    assert (len(files), files.changed()) == (1, [])
    for content, found in [("one", None), ("", None), ("two\n", "two"), ("two", None), ("a b", None), ("one", "one")]:
        (tmp_path / "new").write_text(content)
        (tmp_path / "new").replace(file)
        assert [key.reveal() for _, key in files.changed()] == ([found] if found else [])
        assert files.changed() == []
    file.unlink()
    assert files.changed() == []


def test_what_changed_before_the_first_look_is_seen(tmp_path: Path) -> None:
    """A key that was replaced while the server started is not missed."""
    (tmp_path / "key").write_text("two")
    backend = Backend("a", "openai", "m", "m", api_key=Secret("one"), api_key_file=str(tmp_path / "key"))
    assert [key.reveal() for _, key in KeyFiles([backend]).changed()] == ["two"]
