"""When the peer leaves, clean-up runs in the RPC's own task and to its end: over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import ContextVar

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from tests.support.grpc_rig import Rig, serving, stream, unary, until

Context = grpc.aio.ServicerContext[StringValue, StringValue]

_span: ContextVar[str] = ContextVar("span", default="")


class Witness:
    """A handler with a provider inside; says how both were cleaned up."""

    def __init__(self, size: int, pause: float) -> None:
        self.size, self.pause = size, pause
        self.began = 0
        self.clean: list[str] = []
        self.faults: list[str] = []

    async def provider(self) -> AsyncGenerator[str, None]:
        """Yield for ever; clean up slowly and where a contextvar can be reset."""
        token, task = _span.set("on"), asyncio.current_task()
        try:
            while True:
                yield "x" * self.size
                await asyncio.sleep(self.pause)
        finally:
            await asyncio.sleep(0.002)
            _span.reset(token)
            if asyncio.current_task() is not task:
                self.faults.append("another task")
            self.clean.append("provider")

    async def handler(self, _request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
        """Pass on what the provider yields."""
        self.began += 1
        try:
            async with aclosing(self.provider()) as texts:
                async for text in texts:
                    yield StringValue(value=text)
        except BaseException as error:
            if type(error) not in {asyncio.CancelledError, GeneratorExit}:
                self.faults.append(type(error).__name__)
            raise
        finally:
            await asyncio.sleep(0.002)
            self.clean.append("handler")


async def cleaned(witness: Witness, calls: int) -> None:
    """Wait until *calls* handlers have cleaned up; raises TimeoutError."""
    await until(lambda: len(witness.clean) >= 2 * calls)


async def leave(rig: Rig, calls: int, *, after: int) -> None:
    """Start *calls* streams and cancel each after it has read *after* messages."""

    async def one() -> None:
        async with rig.channel(("grpc.http2.bdp_probe", 0)) as channel:
            call = stream(channel, "Endless")(StringValue())
            for _ in range(after):
                await call.read()
            await asyncio.sleep(0.05)
            call.cancel()

    await asyncio.gather(*(one() for _ in range(calls)))


def tidy(witness: Witness, calls: int) -> None:
    """Check that every call was cleaned up, provider first, and nothing went wrong."""
    assert witness.began == calls
    assert sorted(witness.clean) == sorted(["provider", "handler"] * calls)
    assert witness.faults == []


def test_a_cancel_while_the_provider_is_silent() -> None:
    """Provider and handler end in the RPC's task, contextvars and all."""

    async def main() -> None:
        witness = Witness(size=10, pause=60)
        async with serving(streams={"Endless": witness.handler}) as rig:
            await leave(rig, 20, after=1)
            await cleaned(witness, 20)
            await until(lambda: not rig.gate.running)
        tidy(witness, 20)

    asyncio.run(main())


def test_a_cancel_while_grpc_writes() -> None:
    """The write is stuck in flow control: bare gRPC would clean up later, in another task and context."""

    async def main() -> None:
        witness = Witness(size=60_000, pause=0)
        async with serving(streams={"Endless": witness.handler}) as rig:
            await leave(rig, 20, after=1)
            await cleaned(witness, 20)
            await until(lambda: not rig.gate.running)
        tidy(witness, 20)

    asyncio.run(main())


def test_a_cancel_in_the_middle_of_a_flood() -> None:
    """Some writes then fail with gRPC's InternalError; the cancel that follows must not interrupt the clean-up."""

    async def main() -> None:
        witness = Witness(size=10, pause=0)
        async with serving(streams={"Endless": witness.handler}) as rig:
            for _ in range(10):
                await leave(rig, 10, after=20)
            await cleaned(witness, 100)
            await until(lambda: not rig.gate.running)
        tidy(witness, 100)

    asyncio.run(main())


def test_two_thousand_cancelled_calls_leave_nothing() -> None:
    """Unary and streamed calls, cancelled early and late: no task of theirs stays, and no place is taken."""

    async def silent(request: StringValue, _context: Context) -> StringValue:
        await asyncio.sleep(60)
        return request

    async def endless(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
        while True:
            yield request
            await asyncio.sleep(0.001)

    async def main() -> None:
        async with serving({"Silent": silent}, {"Endless": endless}) as rig, rig.channel() as channel:
            await channel.channel_ready()
            before = len(asyncio.all_tasks())

            async def leaver(number: int) -> None:
                for turn in range(50):
                    kind = unary(channel, "Silent") if (number + turn) % 2 else stream(channel, "Endless")
                    call = kind(StringValue(value="x"))
                    await asyncio.sleep(0.002 * (turn % 3))
                    call.cancel()

            await asyncio.gather(*(leaver(number) for number in range(40)))
            await until(lambda: not rig.gate.running and len(asyncio.all_tasks()) <= before)

    asyncio.run(main())
