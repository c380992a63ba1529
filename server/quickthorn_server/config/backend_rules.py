"""Find what makes no sense inside one backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from quickthorn_server.config.backend import Backend
from quickthorn_server.config.defaults import LOCAL_MODEL, embedding_space, timeouts_rule
from quickthorn_server.config.errors import Finding, is_key
from quickthorn_server.config.health_rules import health_findings
from quickthorn_server.config.models import models
from quickthorn_server.core.known import KNOWN

_WIRE_KEYS = frozenset({"base_url", "path", "headers", "api_key_env", "api_key_file"})
_OWN_KEYS = frozenset[str]().union(*(known.settings for known in KNOWN.values()))
_ACCOUNT_URLS = {"azure": "https://NAME.openai.azure.com", "vllm": "http://127.0.0.1:8000/v1"}
_MODELS = {
    "openai": "gpt-5-mini",
    "azure": "the deployment's name",
    "anthropic": "claude-sonnet-5",
    "gemini": "gemini-3.8-flash",
    "vertex": "gemini-3.8-flash",
    "bedrock": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
}
_FOUR_FIFTHS = 0.8
_FRAMING_HEADERS = frozenset(
    {"connection", "content-encoding", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)
_KEY_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})


def _foreign_keys(backend: Backend) -> Iterator[Finding]:
    known = KNOWN[backend.provider]
    foreign = (_OWN_KEYS - known.settings) | (frozenset() if known.remote else _WIRE_KEYS)
    for key in sorted(foreign & backend.model_fields_set):
        message = f'"{key}" means nothing to provider "{backend.provider}"'
        yield Finding((key,), message, "remove it", at_key=True)


def _no_key(backend: Backend) -> Iterator[Finding]:
    known = KNOWN[backend.provider]
    missing = backend.api_key_env is None and backend.api_key_file is None
    if missing and known.remote and not known.keyless and _its_own(backend):
        where = known.base_url or f'provider "{backend.provider}"'
        variable = f"{backend.provider.upper()}_API_KEY"
        yield Finding((), f"{where} needs a key", f"write api_key_env: {variable}, or api_key_file: its path")


def _its_own(backend: Backend) -> bool:
    """Say whether the provider itself is asked, however its address is written; plain HTTP is something before it."""
    if backend.base_url is None:
        return True
    url, own = urlsplit(backend.base_url), urlsplit(KNOWN[backend.provider].base_url).hostname
    host = url.hostname or ""
    return url.scheme == "https" and (host == own or models().own(backend.provider, host))


def _no_address(backend: Backend) -> Iterator[Finding]:
    """Find a provider whose address depends on the account, and is not given."""
    if backend.provider in _ACCOUNT_URLS and backend.base_url is None:
        hint = f"write base_url: {_ACCOUNT_URLS[backend.provider]}"
        yield Finding((), f'provider "{backend.provider}" has no address of its own', hint)
    if backend.provider == "vertex" and backend.base_url is None and backend.project is None:
        yield Finding((), 'provider "vertex" does not know who pays', "write project: the project's id")


def _keys_in_headers(backend: Backend) -> Iterator[Finding]:
    for name, text in backend.headers.items():
        if name.lower() in _KEY_HEADERS or is_key(text):
            yield Finding(("headers", name), "a header here must not carry a key", "use api_key_env", at_key=True)


def _framing_headers(backend: Backend) -> Iterator[Finding]:
    for name in backend.headers:
        if name.lower() in _FRAMING_HEADERS:
            message = f'"{name.lower()}" is about the connection, which is not told here'
            yield Finding(("headers", name), message, "remove it", at_key=True)


def _model(backend: Backend) -> Iterator[Finding]:
    if KNOWN[backend.provider].remote and backend.model is None:
        example = _MODELS.get(backend.provider, "llama-3.3-70b")
        yield Finding((), 'the key "model" is missing', f"write the model's name at the provider: model: {example}")
    if backend.provider == "local" and backend.model not in {None, LOCAL_MODEL} and backend.model_path is None:
        hint = f"write {LOCAL_MODEL}, or give its GGUF file as model_path"
        yield Finding(("model",), "the local provider does not have this model", hint)


def _narrow_context(backend: Backend) -> Iterator[Finding]:
    window, context = backend.context_window, backend.context
    if backend.provider == "local" and window is not None and context is not None and window > context:
        yield Finding(
            ("context_window",), f"context gives each call {context} tokens only", "raise context, or remove it"
        )


def _no_script(backend: Backend) -> Iterator[Finding]:
    if backend.provider == "scripted" and backend.script is None:
        yield Finding((), 'provider "scripted" has nothing to say', "write its steps under script:")


def _short_total(backend: Backend) -> Iterator[Finding]:
    rule, given = timeouts_rule(backend), backend.timeouts.model_fields_set
    if rule.total < rule.first_token:
        limit = f"first_token ({rule.first_token:g}s{'' if 'first_token' in given else ' by default'})"
        total = f"total ({rule.total:g}s{'' if 'total' in given else ' by default'})"
        yield Finding(("timeouts", "total"), f"{total} ends before {limit}", "write both, total the longer")


def _late_slowness(backend: Backend) -> Iterator[Finding]:
    slow, limit = backend.breaker.slow_first_token, timeouts_rule(backend).first_token
    if slow is not None and slow > limit:
        by_default = "" if "first_token" in backend.timeouts.model_fields_set else " by default"
        message = f"no call gets that far: timeouts.first_token ends it after {limit:g}s{by_default}"
        yield Finding(
            ("breaker", "slow_first_token"), message, f"write {_FOUR_FIFTHS * limit:g}s, or at most {limit:g}s"
        )


def _fewer_tokens_than_requests(backend: Backend) -> Iterator[Finding]:
    limits = backend.limits
    if limits.rpm is not None and limits.tpm is not None and limits.tpm < limits.rpm:
        message = f"no request is smaller than a token, so the {limits.rpm} of rpm are never reached"
        yield Finding(("limits", "tpm"), message, "write the tokens of a minute, not of a request")


def _unsorted_tiers(backend: Backend) -> Iterator[Finding]:
    last = 0
    for index, tier in enumerate((backend.price and backend.price.tiers) or ()):
        if tier.above <= last:
            message = f"a tier above {tier.above} cannot follow one above {last}"
            yield Finding(("price", "tiers", index, "above"), message, "write the shortest first, each once")
        last = max(last, tier.above)


def _space_without_embeddings(backend: Backend) -> Iterator[Finding]:
    if backend.embedding_space is not None and not embedding_space(backend):
        hint = "add embeddings to its capabilities, or remove the key"
        yield Finding(("embedding_space",), "the backend does not embed", hint, at_key=True)


def _no_ramp(backend: Backend) -> Iterator[Finding]:
    given = backend.slow_start
    if given.window == 0:
        for key in sorted(given.model_fields_set - {"window"}):
            message = "a window of 0s leaves nothing to grow in"
            yield Finding(("slow_start", key), message, "remove the key, or give the window a length", at_key=True)
    elif given.min_weight == 0:
        message = "a backend without calls shows nothing of its health"
        yield Finding(("slow_start", "min_weight"), message, "write 1% or more")
    elif given.min_weight == 1:
        message = "who begins with all has nothing to grow to"
        yield Finding(("slow_start", "min_weight"), message, "write less, or window: 0s for no slow start")


BACKEND_RULES: tuple[Callable[[Backend], Iterator[Finding]], ...] = (
    _foreign_keys,
    _no_key,
    _no_address,
    _keys_in_headers,
    _framing_headers,
    _model,
    _narrow_context,
    _no_script,
    _short_total,
    _late_slowness,
    _no_ramp,
    _fewer_tokens_than_requests,
    _unsorted_tiers,
    _space_without_embeddings,
    health_findings,
)
"""In the order in which their findings are told."""
