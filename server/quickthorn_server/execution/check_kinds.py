"""The three kinds of checks: connect, list the models, have a word said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End, Opened, UsageReport
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.health import CheckMethod, CheckRule
from quickthorn_server.core.prompt import Prompt, Sampling
from quickthorn_server.core.provider import AnyPrompt, Ask, Checkable, Provider
from quickthorn_server.core.usage import Usage

_WORD = "Hi"


@dataclass(slots=True)
class Found:
    """What a check has found so far: seconds to *first_content*, None = it came whole, or not."""

    error: BackendError | None = None
    first_content: float | None = None
    usage: Usage | None = None
    ended: bool = False


async def ask(provider: Provider, backend: Backend, rule: CheckRule, found: Found) -> None:
    """Check *backend* once and write into *found* what comes of it.  Raises BackendError."""
    connect = min(backend.timeouts.connect, rule.timeout)
    if rule.method is CheckMethod.COMPLETION:
        await _answer(provider, Ask(_prompt(backend, rule), "", connect), found)
    elif not isinstance(provider, Checkable):
        raise BackendError(Failure.UNSUPPORTED, "nobody to connect to")
    elif rule.method is CheckMethod.MODELS:
        await provider.list_models(connect)
    else:
        await provider.connect(connect)


async def _answer(provider: Provider, asked: Ask, found: Found) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with aclosing(provider.stream(asked)) as bursts:
        async for burst in bursts:
            _read(burst, found, loop.time() - began)
    if not found.ended:
        raise BackendError(Failure.PROTOCOL, "the stream ended early")
    if isinstance(asked.prompt, EmbedPrompt):
        found.first_content = None


def _read(burst: Sequence[Chunk], found: Found, after: float) -> None:
    for chunk in burst:
        if isinstance(chunk, UsageReport):
            found.usage = chunk.usage
        elif isinstance(chunk, End):
            found.ended = True
        elif not isinstance(chunk, Opened) and found.first_content is None:
            found.first_content = after


def _prompt(backend: Backend, rule: CheckRule) -> AnyPrompt:
    if backend.embedding_space and "text" not in backend.capabilities:
        return EmbedPrompt((_WORD,))
    said = (Message(Role.USER, (Part(Text(_WORD)),)),)
    return Prompt(said, sampling=Sampling(max_output_tokens=rule.output_tokens))
