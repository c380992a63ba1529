"""Idle connections and known names: how long they are kept, and who gets them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from quickthorn_server.providers.http_connection import Connection
from quickthorn_server.providers.http_dial import REMEMBERED, Names
from quickthorn_server.providers.http_pool import KEEP_ALIVE, Pool
from tests.support.virtual import run_virtual


class Wire(asyncio.Transport):
    """A transport that only remembers that it was dropped."""

    dropped = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        del data

    def abort(self) -> None:
        self.dropped = True


def connected() -> tuple[Connection, Wire]:
    connection, wire = Connection(), Wire()
    connection.connection_made(wire)
    return connection, wire


def test_the_last_one_used_is_taken_first() -> None:
    """So that what is too many grows old; one that was closed meanwhile is passed over."""

    async def main() -> None:
        pool, lines = Pool(), [connected()[0] for _ in range(3)]
        for connection in lines:
            pool.give(connection)
        lines[2].connection_lost(None)
        assert [pool.take(), pool.take(), pool.take()] == [lines[1], lines[0], None]

    run_virtual(main())


def test_an_idle_connection_is_closed_after_its_time() -> None:
    """To the second, each by its own age, and without a request that would notice."""

    async def main() -> None:
        pool, (old, old_wire), (young, young_wire) = Pool(), connected(), connected()
        pool.give(old)
        await asyncio.sleep(10)
        pool.give(young)
        await asyncio.sleep(KEEP_ALIVE - 10.5)
        assert not old_wire.dropped
        await asyncio.sleep(1)
        assert (old_wire.dropped, young_wire.dropped) == (True, False)
        await asyncio.sleep(10)
        assert young_wire.dropped
        assert pool.take() is None

    run_virtual(main())


def test_what_comes_unasked_closes_an_idle_connection() -> None:
    """It belongs to nobody: it must not become the next one's answer."""

    async def main() -> None:
        pool, (connection, wire) = Pool(), connected()
        asking = asyncio.create_task(connection.ask(b"GET / HTTP/1.1\r\n\r\n"))
        await asyncio.sleep(0)
        connection.data_received(b"HTTP/1.1 204 None\r\n\r\n")
        await asking
        pool.give(connection)
        connection.data_received(b"HTTP/1.1 408 Late\r\n\r\n")
        assert wire.dropped
        assert pool.take() is None

    run_virtual(main())


def test_a_name_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All who wait get the same answer, though one of them leaves; later ones do while it is remembered."""
    asked: list[tuple[Any, ...]] = []

    async def resolve(*key: Any, **_: Any) -> list[str]:
        asked.append(key)
        await asyncio.sleep(1)
        return ["address"]

    async def main() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        names = Names()
        waiting = [asyncio.create_task(names.addresses("a", 1)) for _ in range(3)]
        await asyncio.sleep(0.5)
        waiting[0].cancel()
        assert await asyncio.gather(*waiting[1:]) == [["address"]] * 2
        await asyncio.sleep(REMEMBERED - 1)
        await names.addresses("a", 1)
        assert len(asked) == 1
        await asyncio.sleep(2)
        await names.addresses("a", 1)
        assert asked == [("a", 1)] * 2

    run_virtual(main())


def test_a_name_that_fails_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody hears the error, even if nobody waits any more, and it is not remembered."""
    asked = 0

    async def resolve(*_: Any, **__: Any) -> list[str]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(1)
        raise socket.gaierror(asked, "not known")

    async def main() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        names = Names()
        gone = asyncio.create_task(names.addresses("a", 1))
        await asyncio.sleep(0.5)
        gone.cancel()
        with pytest.raises(socket.gaierror) as caught:
            await names.addresses("a", 1)
        assert caught.value.errno == 1
        with pytest.raises(socket.gaierror):
            await names.addresses("a", 1)
        assert asked == 2
        leaving = asyncio.create_task(names.addresses("a", 1))
        await asyncio.sleep(0.5)
        names.close()
        await asyncio.wait([leaving])
        assert leaving.cancelled()

    run_virtual(main())
