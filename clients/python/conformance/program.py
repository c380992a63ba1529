"""The Python client's program for the conformance cases: see tests/conformance/README.md."""  # noqa: INP001 - a script

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from typing import Any

from google.protobuf.message import Message

import quickthorn.v1
from quickthorn import AsyncClient, QuickthornError, Tls, messages

FILES = [importlib.import_module(f"quickthorn.v1.{file.name}") for file in pkgutil.iter_modules(quickthorn.v1.__path__)]
TYPES: dict[str, type[Message]] = {
    kind.DESCRIPTOR.full_name: kind
    for file in FILES
    for kind in vars(file).values()
    if isinstance(kind, type) and issubclass(kind, Message)
}


def main() -> None:
    """Answer case after case until the input ends."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asyncio.run(answer(json.loads(line)))) + "\n")
        sys.stdout.flush()


async def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Return the result of one case."""
    result: dict[str, Any] = {"id": case["id"]}
    if case["call"] == "decode":
        return result | {"response": text(TYPES[case["type"]].FromString(b64decode(case["data"])))}
    began = time.monotonic()
    try:
        async with client_of(case) as client:
            await (stream if case["call"] == "stream" else unary)(client, case, result)
    except QuickthornError as error:
        result["error"] = told(error)
    except ValueError as error:
        nothing = {"reason": "", "from_server": False, "attempts": 0, "fields": [], "request_id": ""}
        result["error"] = {"code": "INVALID_ARGUMENT", "message": str(error), **nothing}
    result["elapsed_ms"] = (time.monotonic() - began) * 1000
    return result


def client_of(case: dict[str, Any]) -> AsyncClient:
    """Connect as the case says."""
    files = case.get("tls")
    tls = Tls(ca=path(files, "ca"), cert=path(files, "cert"), key=path(files, "key")) if files else False
    return AsyncClient(case["target"], api_key=case.get("api_key"), tls=tls)


def path(files: dict[str, str], name: str) -> str | None:
    """Return a file's path, None = there is none."""
    return files.get(name)


async def unary(client: AsyncClient, case: dict[str, Any], result: dict[str, Any]) -> None:
    """Make one unary call, and cancel it in time if that is asked for."""
    data, options = b64decode(case["request"]), options_of(case)
    calls: dict[str, Callable[[], Coroutine[Any, Any, Message]]] = {
        "complete": lambda: client.complete(messages.CompletionRequest.FromString(data), **options),
        "explain": lambda: client.explain(messages.CompletionRequest.FromString(data), **options),
        "embed": lambda: client.embed(messages.EmbedRequest.FromString(data), **options),
        "list_routes": lambda: client.list_routes(**options),
    }
    task = asyncio.ensure_future(calls[case["call"]]())
    if "cancel_after_ms" in case:
        asyncio.get_running_loop().call_later(case["cancel_after_ms"] / 1000, task.cancel)
    try:
        result["response"] = text(await task)
    except asyncio.CancelledError:
        result["cancelled"] = True


async def stream(client: AsyncClient, case: dict[str, Any], result: dict[str, Any]) -> None:
    """Read one stream, as slowly and as far as asked."""
    request = messages.CompletionRequest.FromString(b64decode(case["request"]))
    events: list[str] = []
    result["events"] = events
    reading = asyncio.ensure_future(_read(client, request, case, events))
    if "cancel_after_ms" in case:
        asyncio.get_running_loop().call_later(case["cancel_after_ms"] / 1000, reading.cancel)
    try:
        folded = await reading
    except asyncio.CancelledError:
        folded = None
    if folded is None:
        result["cancelled"] = True
    else:
        result["folded"] = text(folded)


async def _read(
    client: AsyncClient, request: messages.CompletionRequest, case: dict[str, Any], events: list[str]
) -> messages.Completion | None:
    async with client.stream(request, **options_of(case)) as answers:
        if case.get("cancel_after_events") == 0:
            return None
        async for event in answers:
            events.append(text(event))
            if len(events) == case.get("cancel_after_events"):
                return None
            await asyncio.sleep(case.get("pause_ms", 0) / 1000)
        return await answers.fold()


def options_of(case: dict[str, Any]) -> Any:
    """Return the options of a call."""
    options: dict[str, Any] = {"metadata": tuple(case.get("metadata", {}).items())}
    if "timeout_ms" in case:
        options["timeout"] = case["timeout_ms"] / 1000
    return options


def told(error: QuickthornError) -> dict[str, Any]:
    """Return all that the typed error says."""
    said: dict[str, Any] = {
        "code": error.code.name,
        "reason": error.reason,
        "message": error.message,
        "from_server": error.from_server,
        "attempts": len(error.attempts),
        "fields": [violation.field for violation in error.field_violations],
        "request_id": error.request_id,
    }
    if error.retry_delay is not None:
        said["retry_delay_ms"] = error.retry_delay.total_seconds() * 1000
    return said


def text(message: Message) -> str:
    """Return a message as the runner reads it."""
    return b64encode(message.SerializeToString(deterministic=True)).decode("ascii")


if __name__ == "__main__":
    main()
