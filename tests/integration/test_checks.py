"""Active checks over real sockets: what reaches the provider, and what health says before anybody has called."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.secret import Secret
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_provider import HttpProvider
from quickthorn_server.providers.registry import WIRE_FORMATS
from tests.support.grpc_rig import until
from tests.support.pki import Authority
from tests.support.served import channel, served
from tests.support.upstream import Script, Upstream, in_turn, replies, resets, says, upstream

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def config(model: Upstream, active: str) -> str:
    checked = f"health: {{active: {{interval: 1s, unhealthy: 1, healthy: 1, {active}}}}}"
    more = f"price: {{input: 1, output: 1}}, breaker: {{open: 300ms}}, {checked}"
    backend = f"{{name: a, provider: vllm, model: m, base_url: '{model.base_url}', {more}}}"
    return f"backends: [{backend}]\nroutes: [{{name: default, backends: [a]}}]"


@pytest.mark.parametrize(
    ("method", "line"), [("models", "GET /v1/models"), ("completion", "POST /v1/chat/completions")]
)
def test_health_follows_checks_while_nobody_calls(method: str, line: str) -> None:
    """Two faults in a row and then well again: `backend/a` says so each time, and no call was made."""
    ok = replies(200, '{"data": []}') if method == "models" else says("x")
    script = in_turn(ok, replies(503, "{}"), ok)

    async def main() -> None:
        async with (
            upstream(script) as model,
            served(config(model, f"method: {method}")) as address,
            channel(address) as opened,
        ):
            watch = health_pb2_grpc.HealthStub(opened).Watch(health_pb2.HealthCheckRequest(service="backend/a"))
            async with asyncio.timeout(8.0):
                assert [(await watch.read()).status for _ in range(3)] == [SERVING, NOT_SERVING, SERVING]
            watch.cancel()
        assert {f"{exchange.method} {exchange.path}" for exchange in model.exchanges} == {line}
        if method == "completion":
            assert {exchange.json["max_tokens"] for exchange in model.exchanges} == {1}

    asyncio.run(main())


def test_a_connect_check_sends_nothing_and_leaves_no_connection() -> None:
    """It connects, and closes again; when nobody listens any more, health says so."""

    async def main() -> None:
        async with AsyncExitStack() as listening:
            model = await listening.enter_async_context(upstream(says("x")))
            async with served(config(model, "method: connect")) as address, channel(address) as opened:
                watch = health_pb2_grpc.HealthStub(opened).Watch(health_pb2.HealthCheckRequest(service="backend/a"))
                assert (await watch.read()).status == SERVING
                await until(lambda: len(model.connections) == 2)
                await until(lambda: model.open == 0)
                assert model.exchanges == []
                await listening.aclose()
                async with asyncio.timeout(5.0):
                    assert (await watch.read()).status == NOT_SERVING
                watch.cancel()

    asyncio.run(main())


def test_a_connect_check_speaks_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is a bad check; one that somebody does is a good one."""
    authority = Authority(tmp_path)
    identity = authority.issue("server", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.cert, identity.key)

    async def main() -> None:
        async with upstream(says("x"), tls=context) as model, HttpClient() as http:
            await http.reach(model.base_url, 2.0)
            monkeypatch.delenv("SSL_CERT_FILE")
            async with HttpClient() as stranger:
                with pytest.raises(BackendError) as caught:
                    await stranger.reach(model.base_url, 2.0)
            assert caught.value.failure is Failure.CONNECT

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cert))
    asyncio.run(main())


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (replies(401, "{}"), Failure.UNAUTHENTICATED),
        (replies(500, "{}"), Failure.UNAVAILABLE),
        (replies(200, "<html>", "text/html"), Failure.PROTOCOL),
        (resets, Failure.LOST),
    ],
)
def test_a_list_of_models_that_is_none_is_a_bad_check(script: Script, failure: Failure) -> None:
    """It is read as any answer is: statuses by the failure table, a web page as no answer at all."""

    async def main() -> None:
        async with upstream(script) as model, HttpClient() as http:
            backend = Backend("a", "openai", "m", "m", base_url=model.base_url, api_key=Secret("k"))
            with pytest.raises(BackendError) as caught:
                await HttpProvider(WIRE_FORMATS["openai"](backend), http).list_models(2.0)
            assert caught.value.failure is failure
            assert model.exchanges[0].headers["authorization"] == "Bearer k"

    asyncio.run(main())
