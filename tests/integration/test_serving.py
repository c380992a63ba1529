"""The whole service over real sockets: a real server, a real HTTP upstream, plain gRPC stubs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from quickthorn import fold, text
from quickthorn.v1.completion_pb2 import Completion, CompletionRequest
from quickthorn.v1.failure_pb2 import RouteFailure
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from quickthorn.v1.trace_pb2 import LANE_CAUSE_FAILOVER, LANE_CAUSE_SILENCE, LANE_OUTCOME_FAILED, LANE_OUTCOME_LOST
from tests.support.served import ask, backends, channel, served
from tests.support.upstream import (
    Script,
    babbles,
    finish_event,
    replies,
    resets,
    says,
    sends,
    silent,
    streams,
    text_event,
    upstream,
)

SECRET = "sk-never-to-be-seen-4711"
TWO = "routes: [{name: default, backends: [a, b]}]"


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def details(error: grpc.aio.AioRpcError, kind: type[Any]) -> Any:
    """Return one of the status's details; None = it has none of that kind."""
    blob = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(blob)
    assert status.code == error.code().value[0]
    for packed in status.details:
        if packed.Is(kind.DESCRIPTOR):
            found = kind()
            packed.Unpack(found)
            return found
    return None


def raw(opened: grpc.aio.Channel, method: str) -> Any:
    """Return a method as bytes to bytes, without any generated code."""
    return opened.unary_unary(f"/quickthorn.v1.{method}")


def routing(opened: grpc.aio.Channel) -> Any:
    """Return the generated stub, as anybody would make it."""
    return RoutingStub(opened)


def reason(error: grpc.aio.AioRpcError) -> str:
    info = details(error, error_details_pb2.ErrorInfo)
    assert info.domain == "quickthorn"
    return str(info.reason)


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def failure(call: Any) -> grpc.aio.AioRpcError:
    """Return the status of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def test_a_hand_written_stub_is_enough() -> None:
    """Method path, request bytes, reply bytes: nothing else is needed, and fold(stream) is what Complete returns."""

    async def main() -> None:
        async with (
            upstream(says("Hel", "lo")) as up,
            served(backends(a=up.base_url) + "\nroutes: [{name: default, backends: [a]}]") as address,
            channel(address) as opened,
        ):
            unary = raw(opened, "Routing/Complete")
            whole = Completion.FromString(await unary(ask().SerializeToString()))
            events = [event async for event in routing(opened).StreamComplete(ask())]
            folded = fold(events)
            assert text(whole) == text(folded) == "Hello"
            assert whole.usage.input_tokens == folded.usage.input_tokens == 3

    run(main())


def test_health_and_reflection_answer_plain_clients() -> None:
    """A `grpc_health.v1` client sees the names of the design; reflection lists and describes Routing."""

    async def main() -> None:
        async with (
            upstream(says("x")) as up,
            served(backends(a=up.base_url) + "\nroutes: [{name: default, backends: [a]}]") as address,
            channel(address) as opened,
        ):
            health = health_pb2_grpc.HealthStub(opened)
            for name in ("", "quickthorn.v1.Routing", "route/default", "backend/a"):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            asked = [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                *(
                    reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"quickthorn.v1.{symbol}")
                    for symbol in ("Routing", "Routing.Complete", "Completion", "Routing.Nothing")
                ),
            ]
            stub = reflection_pb2_grpc.ServerReflectionStub(opened)
            listed, *described, unknown = [each async for each in stub.ServerReflectionInfo(iter(asked))]
            names = {service.name for service in listed.list_services_response.service}
            assert {"quickthorn.v1.Routing", "quickthorn.v1.Admin", "grpc.health.v1.Health"} <= names
            assert all(each.file_descriptor_response.file_descriptor_proto for each in described)
            assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]

    run(main())


def test_metadata_goes_both_ways() -> None:
    """The request id comes back with the headers, who served with the trailers."""

    async def main() -> None:
        async with (
            upstream(says("x")) as up,
            served(backends(a=up.base_url) + "\nroutes: [{name: default, backends: [a]}]") as address,
            channel(address) as opened,
        ):
            mine = (("quickthorn-request-id", "mine-1"),)
            unary, stream = (
                method(ask(), metadata=mine) for method in (routing(opened).Complete, routing(opened).StreamComplete)
            )
            await unary
            assert [event.WhichOneof("event") async for event in stream][-1] == "finished"
            for call in (unary, stream):
                initial = dict(await call.initial_metadata())
                trailing = dict(await call.trailing_metadata())
                assert (initial["quickthorn-request-id"], trailing["quickthorn-served-by"]) == ("mine-1", "a")

    run(main())


@pytest.mark.parametrize(
    "broken",
    [
        sends(b"\x00\xff garbage \r\n\r\n\x17\x17"),
        sends(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n"),
        replies(200, '{"choices": [{"mess'),
        replies(200, "<html>hello</html>", "text/html"),
        replies(200, '{"error": {"message": "x", "code": "server_error"}}'),
        streams({"error": {"message": "x", "type": "server_error"}}, done=False),
        streams(text_event(""), done=False),
        streams("{not json", done=False),
        sends(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"),
        babbles(),
        babbles(line=b"x" * 1000, start=b"HTTP/1.1 200 OK\r\nx-endless: "),
        replies(500, "oops", "text/plain"),
        replies(403, f'{{"error": {{"message": "bad key {SECRET}"}}}}'),
        resets,
    ],
    ids=lambda broken: getattr(broken, "__qualname__", "?").split(".")[0],
)
def test_whatever_a_provider_does_the_next_one_answers(broken: Script) -> None:
    """Garbage, cut JSON, endless headers, a wrong content type: that lane fails cleanly, the next one runs."""

    async def main() -> None:
        async with (
            upstream(broken) as bad,
            upstream(says("fine")) as good,
            served(backends(a=bad.base_url, b=good.base_url) + "\n" + TWO) as address,
            channel(address) as opened,
        ):
            stub = routing(opened)
            answer = await stub.Complete(ask(), timeout=8)
            streamed = fold([event async for event in stub.StreamComplete(ask(), timeout=8)])
            for whole in (answer, streamed):
                assert text(whole) == "fine"
                first, second = whole.trace.attempts
                assert (first.outcome, second.cause) == (LANE_OUTCOME_FAILED, LANE_CAUSE_FAILOVER)
                assert first.failure not in {"", "internal", "timeout"}

    run(main())


def test_a_slow_provider_is_overtaken_and_its_connection_closed() -> None:
    """The hedge wins over real sockets too, and the loser's socket closes although its provider never spoke."""

    async def main() -> None:
        async with (
            upstream(silent) as slow,
            upstream(says("fast")) as quick,
            served(
                backends(a=slow.base_url, b=quick.base_url)
                + "\nroutes: [{name: default, backends: [a, b], hedge: {delay: 50ms}}]"
            ) as address,
            channel(address) as opened,
        ):
            answer = await routing(opened).Complete(ask(), timeout=8)
            assert text(answer) == "fast"
            assert answer.trace.attempts[0].outcome == LANE_OUTCOME_LOST
            assert answer.trace.attempts[1].cause == LANE_CAUSE_SILENCE
            await slow.until_closed()

    run(main())


@pytest.mark.parametrize("method", ["Complete", "StreamComplete"])
def test_a_deadline_against_a_silent_upstream(method: str) -> None:
    """500 ms: DEADLINE_EXCEEDED said by the server, in time, and the upstream is closed."""

    async def main() -> None:
        async with (
            upstream(silent) as up,
            served(backends(a=up.base_url, b=up.base_url) + "\n" + TWO) as address,
            channel(address) as opened,
        ):
            await opened.channel_ready()
            began = time.monotonic()
            call = getattr(routing(opened), method)(ask(), timeout=0.5)
            error = await failure(call if method == "Complete" else call.read())
            assert 0.4 < time.monotonic() - began < 1.0
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert reason(error) == "DEADLINE"
            assert len(details(error, RouteFailure).attempts) == 1
            await up.until_closed()
            assert up.open == 0

    run(main())


@pytest.mark.parametrize("method", ["Complete", "StreamComplete"])
@pytest.mark.parametrize("script", [silent, says(*["x"] * 500, pause=0.01)], ids=["before", "after the first token"])
def test_a_cancel_reaches_the_provider(method: str, script: Script) -> None:
    """The client goes away, unary or streaming, before or after the first token: the upstream is closed."""

    async def main() -> None:
        async with (
            upstream(script) as up,
            served(
                backends(a=up.base_url, b=up.base_url)
                + "\nroutes: [{name: default, backends: [a, b], hedge: {delay: 0s}}]"
            ) as address,
            channel(address) as opened,
        ):
            call = getattr(routing(opened), method)(ask())
            if method == "StreamComplete" and script is not silent:
                await call.read()
            while len(up.exchanges) < 2:  # noqa: ASYNC110 - a socket's arrival is awaited, and the test has a limit
                await asyncio.sleep(0.01)
            call.cancel()
            await up.until_closed()
            assert up.open == 0

    run(main())


def test_ten_thousand_cancelled_calls_leave_nothing_behind() -> None:
    """Tasks and descriptors are as many after 10,000 cancelled hedged calls as after the first 200."""

    async def main() -> None:
        async with (
            upstream(silent) as up,
            served(
                backends(a=up.base_url, b=up.base_url)
                + "\nroutes: [{name: default, backends: [a, b], hedge: {delay: 0s}}]"
            ) as address,
            channel(address) as opened,
        ):
            stub = routing(opened)

            async def cancelled(count: int, most: int = 0) -> tuple[int, int]:
                for _ in range(count // 50):
                    calls = [stub.StreamComplete(ask()) for _ in range(50)]
                    await asyncio.sleep(0.02)
                    for call in calls:
                        call.cancel()
                await asyncio.sleep(0.3)
                await up.until_closed(10.0)
                for _ in range(100 if most else 0):  # a busy machine closes calls late; a leak never ends
                    if len(asyncio.all_tasks()) > most:
                        await asyncio.sleep(0.05)
                return len(asyncio.all_tasks()), _descriptors()

            tasks, descriptors = await cancelled(200)
            tasks_after, descriptors_after = await cancelled(10_000, most=tasks)
            assert up.exchanges, "no call got as far as its provider"
            assert tasks_after <= tasks
            assert descriptors_after <= descriptors + 4

    run(main())


def test_what_providers_did_follows_the_headers() -> None:
    """All failed: UNAVAILABLE after initial metadata, RetryInfo, pushback -1, every attempt told."""

    async def main() -> None:
        async with (
            upstream(replies(503, "{}", headers={"retry-after": "7"})) as up,
            served(
                backends(a=up.base_url, b=up.base_url)
                + "\nroutes: [{name: default, backends: [a, b], retry: {attempts: 2}}]"
            ) as address,
            channel(address) as opened,
        ):
            error = await failure(routing(opened).Complete(ask()))
            assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "ALL_FAILED")
            assert "quickthorn-request-id" in dict(error.initial_metadata())
            assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == "-1"
            assert details(error, error_details_pb2.RetryInfo).retry_delay.seconds == 7
            told = details(error, RouteFailure)
            assert [(attempt.backend, attempt.failure, attempt.http_status) for attempt in told.attempts] == [
                ("a", "overloaded", 503),
                ("b", "overloaded", 503),
            ]

    run(main())


def test_a_refused_provider_key_is_the_operators_fault() -> None:
    """401 everywhere is FAILED_PRECONDITION / BACKEND_MISCONFIGURED, never UNAUTHENTICATED."""

    async def main() -> None:
        async with (
            upstream(replies(401, '{"error": {"message": "no"}}')) as up,
            served(backends(a=up.base_url, b=up.base_url) + "\n" + TWO) as address,
            channel(address) as opened,
        ):
            error = await failure(routing(opened).Complete(ask()))
            assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKEND_MISCONFIGURED")

    run(main())


def test_secrets_and_prompts_are_seen_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """The provider echoes key and prompt in its error: neither is in the status, its details, the trace or the log."""
    caplog.set_level(logging.DEBUG)
    prompt = "the-prompt-is-private"

    async def main() -> None:
        echo = f'{{"error": {{"message": "{SECRET} {prompt}", "code": "{SECRET}", "type": "{prompt}"}}}}'
        config = """
            backends:
              - {name: a, provider: openai, model: m, base_url: URL, api_key_env: KEY}
            routes: [{name: default, backends: [a], retry: {attempts: 1}}]
        """
        for status in (400, 401, 429, 500):
            async with (
                upstream(replies(status, echo, headers={"x-request-id": "up-7"})) as up,
                served(config.replace("URL", up.base_url), {"KEY": SECRET}) as address,
                channel(address) as opened,
            ):
                error = await failure(routing(opened).Complete(ask(prompt)))
                assert up.exchanges[0].headers["authorization"] == f"Bearer {SECRET}"
                seen = repr((error.details(), error.trailing_metadata(), error.debug_error_string()))
                assert SECRET not in seen
                assert prompt not in seen

    run(main())
    assert SECRET not in caplog.text
    assert prompt not in caplog.text


def test_a_stream_that_breaks_says_how_much_was_delivered() -> None:
    """After commit there is no going back: STREAM_BROKEN, bytes delivered, and no second lane."""

    async def breaks(exchange: Any) -> None:
        await exchange.head()
        await exchange.event(text_event("hälf"))
        await asyncio.sleep(0.05)
        exchange.reset()

    async def main() -> None:
        async with (
            upstream(breaks) as bad,
            upstream(says("never asked")) as good,
            served(backends(a=bad.base_url, b=good.base_url) + "\n" + TWO) as address,
            channel(address) as opened,
        ):
            call = routing(opened).StreamComplete(ask())
            kinds = [(await call.read()).WhichOneof("event") for _ in range(2)]
            error = await failure(call.read())
            assert kinds == ["started", "text"]
            assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "STREAM_BROKEN")
            assert details(error, RouteFailure).delivered == 5
            assert good.exchanges == []
            answer = await routing(opened).Complete(ask())
            assert text(answer) == "never asked"  # a unary caller had seen nothing, so the next backend answered

    run(main())


def test_bad_requests_name_their_fields() -> None:
    """INVALID_ARGUMENT with google.rpc.BadRequest, and no backend is asked."""

    async def main() -> None:
        async with (
            upstream(says("x")) as up,
            served(backends(a=up.base_url) + "\nroutes: [{name: default, backends: [a]}]") as address,
            channel(address) as opened,
        ):
            request = ask()
            request.messages[0].role = 99  # type: ignore[assignment]
            request.sampling.temperature = 3
            request.sampling.max_output_tokens = -1
            request.requirements.capabilities.append("telepathy")
            for bad in (request, CompletionRequest()):
                error = await failure(routing(opened).Complete(bad))
                assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
                fields = {each.field for each in details(error, error_details_pb2.BadRequest).field_violations}
                assert fields == (
                    {"messages"}
                    if bad is not request
                    else {
                        "messages[0].role",
                        "sampling.temperature",
                        "sampling.max_output_tokens",
                        "requirements.capabilities[0]",
                    }
                )
            unary = raw(opened, "Routing/Complete")
            error = await failure(unary(b"\xff\xff\xff"))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            error = await failure(routing(opened).Complete(ask(route="nowhere")))
            assert (error.code(), reason(error)) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_ROUTE")
            assert details(error, error_details_pb2.ErrorInfo).metadata == {"route": "nowhere", "known": "default"}
            assert up.exchanges == []

    run(main())


def test_a_message_over_32_mib_is_grpcs_own_to_refuse() -> None:
    """RESOURCE_EXHAUSTED by gRPC itself; one just below is taken."""

    async def main() -> None:
        options = (("grpc.max_send_message_length", -1),)
        async with (
            upstream(says("x")) as up,
            served(backends(a=up.base_url) + "\nroutes: [{name: default, backends: [a]}]") as address,
            grpc.aio.insecure_channel(address, options=options) as opened,
        ):
            stub = routing(opened)
            error = await failure(stub.Complete(ask("x" * (32 * 1024 * 1024))))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert text(await stub.Complete(ask("x" * (31 * 1024 * 1024)))) == "x"

    run(main())


def test_keys_of_callers_are_asked_for() -> None:
    """No key or a wrong one is UNAUTHENTICATED; a route that a key may not use is PERMISSION_DENIED and not listed."""

    async def main() -> None:
        config = """
            callers: [{name: web, api_key_env: WEB, routes: [default]}, {name: all, api_key_env: ALL}]
            backends: [{name: a, provider: openai, model: m, base_url: URL}]
            routes: [{name: default, backends: [a]}, {name: private, backends: [a]}]
        """
        async with (
            upstream(says("x")) as up,
            served(config.replace("URL", up.base_url), {"WEB": "web-key", "ALL": "all-key"}) as address,
            channel(address) as opened,
        ):
            stub = routing(opened)
            for metadata in ((), (("authorization", "Bearer wrong"),)):
                error = await failure(stub.Complete(ask(), metadata=metadata))
                assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNKNOWN")
            key = (("authorization", "Bearer web-key"),)
            assert text(await stub.Complete(ask(), metadata=key)) == "x"
            error = await failure(stub.Complete(ask(route="private"), metadata=key))
            assert (error.code(), reason(error)) == (grpc.StatusCode.PERMISSION_DENIED, "ROUTE_FORBIDDEN")
            assert details(error, error_details_pb2.ErrorInfo).metadata == {"route": "private"}

    run(main())


def test_an_open_circuit_shows_in_health_and_spares_the_backend() -> None:
    """After its failures in a row a backend is NOT_SERVING and not asked; the process stays SERVING."""

    async def main() -> None:
        config = """
            backends:
              - {name: a, provider: openai, model: m, base_url: URL, breaker: {consecutive: 2, open: 60s}}
            routes: [{name: default, backends: [a], retry: {attempts: 1}}]
        """
        async with (
            upstream(replies(500)) as up,
            served(config.replace("URL", up.base_url)) as address,
            channel(address) as opened,
        ):
            stub, health = routing(opened), health_pb2_grpc.HealthStub(opened)
            reasons = [reason(await failure(stub.Complete(ask()))) for _ in range(4)]
            assert reasons == ["ALL_FAILED", "ALL_FAILED", "NO_HEALTHY_BACKEND", "NO_HEALTHY_BACKEND"]
            assert len(up.exchanges) == 2
            states = {
                name: (await health.Check(health_pb2.HealthCheckRequest(service=name))).status
                for name in ("", "quickthorn.v1.Routing", "backend/a", "route/default")
            }
            serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
            assert states == {
                "": serving,
                "quickthorn.v1.Routing": serving,
                "backend/a": not_serving,
                "route/default": not_serving,
            }

    run(main())


def test_rpcs_that_are_not_there_yet_say_so() -> None:
    """UNIMPLEMENTED, by name, for RecordFeedback and all of Admin."""

    async def main() -> None:
        async with (
            upstream(says("x")) as up,
            served(backends(a=up.base_url) + "\nroutes: [{name: default, backends: [a]}]") as address,
            channel(address) as opened,
        ):
            for method in ("Routing/RecordFeedback", "Admin/ListBackends", "Admin/Reload"):
                error = await failure(raw(opened, method)(b""))
                assert error.code() is grpc.StatusCode.UNIMPLEMENTED
                assert method in (error.details() or "")

    run(main())


def test_finish_without_text_is_an_answer() -> None:
    """An empty reply with a finish reason is passed on as it is."""

    async def main() -> None:
        async with (
            upstream(streams(finish_event("length"))) as up,
            served(backends(a=up.base_url, b=up.base_url) + "\n" + TWO) as address,
            channel(address) as opened,
        ):
            answer = await routing(opened).Complete(ask())
            assert (len(answer.message.parts), len(answer.trace.attempts)) == (0, 1)

    run(main())


def test_the_levels_of_the_purses_are_visible() -> None:
    """Explain says how many hedges and retries a route could pay for; a spent hedge is missing from them."""

    async def main() -> None:
        async with (
            upstream(silent) as slow,
            upstream(says("fast")) as quick,
            served(
                backends(a=slow.base_url, b=quick.base_url)
                + "\nroutes: [{name: default, backends: [a, b], hedge: {delay: 10ms}, budget: {burst: 3}}]"
            ) as address,
            channel(address) as opened,
        ):
            stub = routing(opened)
            assert "the purses hold 3 hedges and 20 retries" in (await stub.Explain(ask())).notes
            await stub.Complete(ask(), timeout=8)
            assert "the purses hold 2 hedges and 20 retries" in (await stub.Explain(ask())).notes

    run(main())
