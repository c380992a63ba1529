"""How the servers that speak like OpenAI differ from it: data, one row each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from quickthorn_server.core.features import Feature
from quickthorn_server.core.prompt import ReasoningEffort

_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?")
_FIRST_MARKED = (5, 6)

_COMMON = frozenset(
    {
        Feature.TEMPERATURE,
        Feature.TOP_P,
        Feature.FREQUENCY_PENALTY,
        Feature.PRESENCE_PENALTY,
        Feature.SEED,
        Feature.STOP,
        Feature.TOOL_CHOICE,
        Feature.PARALLEL_TOOL_CALLS,
        Feature.STRICT_TOOLS,
        Feature.STRICT_SCHEMA,
        Feature.EFFORT,
        Feature.IMAGE_URI,
        Feature.IMAGE_DETAIL,
        Feature.TOOL_RESULT_MEDIA,
        Feature.DIMENSIONS,
    }
)
_USUAL = frozenset({"text", "vision", "tools", "json_object", "json_schema", "reasoning", "embeddings"})
_PENALTIES = frozenset({Feature.FREQUENCY_PENALTY, Feature.PRESENCE_PENALTY})
_PICTURES = frozenset({Feature.IMAGE_URI, Feature.IMAGE_DETAIL, Feature.TOOL_RESULT_MEDIA})
_FILES = frozenset({Feature.IMAGE_FILE, Feature.DOCUMENT_FILE})
_CACHE = frozenset({Feature.CACHE_HINTS, Feature.CACHE_TTL})
_CALLING = frozenset({Feature.TOOL_CHOICE, Feature.PARALLEL_TOOL_CALLS, Feature.STRICT_TOOLS})

Efforts = Mapping[ReasoningEffort, str]


def _efforts(**other: str) -> Efforts:
    """Return each word as it is, but for *other* ones: what a server does not know is its nearest."""
    return {effort: other.get(effort.value, effort.value) for effort in ReasoningEffort}


_THREE = _efforts(minimal="low", max="high")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one family of servers does in its own way.

    *limit*: what the output limit is called.  *names*: fields that have another name here.  *asks_usage*: whether
    `stream_options` is taken.  *effort*, *budget*: where thinking is set, with dots; *budget* "" = nowhere.
    *off*: what switches thinking off where no word of *efforts* does.  *echo*: under which name the thinking of a turn
    that called tools goes back, "" = not; *echoes_all*: that of other turns, too.  *schemas*: whether `json_schema` is
    taken.  *system_anywhere*: whether instructions may stand within the conversation.  *short_ids*: calls are named by
    nine letters and digits.  *document*: the kind of a content part that holds one.  *prefix*: whether the beginning of
    an answer, which stands last, is marked so; *begins*: what a request that has one says besides; *echoes*: the answer
    repeats it.  *embed_inputs*, *embed_tokens*: the most that one embeddings request takes.  *lists*: `GET /models` is
    documented.  *can*: capability words that mean something here.
    """

    word: str
    base_url: str = ""
    lacks: frozenset[Feature] = frozenset()
    has: frozenset[Feature] = frozenset()
    limit: str = "max_tokens"
    names: Mapping[str, str] = field(default_factory=dict)
    asks_usage: bool = True
    effort: str = "reasoning_effort"
    efforts: Efforts = field(default_factory=lambda: _THREE)
    off: Mapping[str, Any] | None = None
    budget: str = ""
    echo: str = ""
    echoes_all: bool = False
    schemas: bool = True
    system_anywhere: bool = True
    short_ids: bool = False
    document: str = "file"
    prefix: bool = False
    begins: Mapping[str, Any] = field(default_factory=dict)
    echoes: bool = False
    embed_inputs: int = 2048
    embed_tokens: int = 300_000
    keyless: bool = False
    lists: bool = True
    can: frozenset[str] = _USUAL

    @property
    def carries(self) -> frozenset[Feature]:
        """What a request in this dialect may ask for."""
        budget = {Feature.THINKING_BUDGET} if self.budget else set()
        return (_COMMON | self.has | budget) - self.lacks


OPENAI = Dialect(
    "openai",
    "https://api.openai.com/v1",
    has=_FILES | {Feature.TOKEN_INPUTS},
    limit="max_completion_tokens",
    efforts=_efforts(max="xhigh"),
    can=_USUAL | {"documents", "audio"},
)
"""The original."""

COMPATIBLE = replace(
    OPENAI,
    base_url="",
    has=OPENAI.has | {Feature.TOP_K, Feature.DOCUMENT_URI, Feature.AUDIO_URI, Feature.VIDEO_URI},
    limit="max_tokens",
    can=_USUAL | {"documents", "audio", "video", "prefill"},
)
"""What a server that speaks like OpenAI, and is none that is known, may do: it will say so itself if it does not."""

AZURE = Dialect("azure", has=OPENAI.has, limit=OPENAI.limit, efforts=OPENAI.efforts, can=OPENAI.can)

_ROWS = (
    Dialect(
        "groq",
        "https://api.groq.com/openai/v1",
        lacks=_PENALTIES | {Feature.DIMENSIONS},
        limit="max_completion_tokens",
        can=_USUAL - {"embeddings"},
    ),
    Dialect(
        "together",
        "https://api.together.xyz/v1",
        has=frozenset({Feature.TOP_K}),
        off={"reasoning": {"enabled": False}},
    ),
    Dialect(
        # "Thinking Mode": effort low, high, max; thinking must come back where tools are called, and may elsewhere.
        # "Chat Prefix Completion (Beta)": at https://api.deepseek.com/beta alone.
        "deepseek",
        "https://api.deepseek.com",
        lacks=_PICTURES
        | {
            Feature.SEED,
            Feature.PARALLEL_TOOL_CALLS,
            Feature.STRICT_TOOLS,
            Feature.STRICT_SCHEMA,
            Feature.DIMENSIONS,
        },
        efforts=_efforts(minimal="low", medium="high"),
        off={"thinking": {"type": "disabled"}},
        echo="reasoning_content",
        echoes_all=True,
        schemas=False,
        prefix=True,
        can=_USUAL - {"vision", "json_schema", "embeddings"} | {"prefill"},
    ),
    Dialect(
        "openrouter",
        "https://openrouter.ai/api/v1",
        has=_CACHE | {Feature.TOP_K, Feature.DOCUMENT_URI, Feature.VIDEO_URI},
        effort="reasoning.effort",
        efforts=_efforts(max="xhigh"),
        budget="reasoning.max_tokens",
        echo="reasoning",
        can=_USUAL | {"documents", "audio", "video", "prefill"},
    ),
    Dialect(
        # It thinks or it does not; calls have identifiers of nine letters and digits, and another is refused.
        # "Prefix": the answer begins with the prefix, said once more.
        "mistral",
        "https://api.mistral.ai/v1",
        has=frozenset({Feature.DOCUMENT_URI}),
        names={"seed": "random_seed", "dimensions": "output_dimension"},
        asks_usage=False,
        efforts={effort: "none" if effort is ReasoningEffort.NONE else "high" for effort in ReasoningEffort},
        echo="thinking",
        system_anywhere=False,
        short_ids=True,
        document="document_url",
        prefix=True,
        echoes=True,
        embed_inputs=1024,
        embed_tokens=16_000,
        can=_USUAL | {"documents", "audio", "prefill"},
    ),
    Dialect("xai", "https://api.x.ai/v1", can=_USUAL - {"embeddings"}),
    Dialect(
        "vllm",
        has=frozenset({Feature.TOP_K, Feature.AUDIO_URI, Feature.VIDEO_URI, Feature.TOKEN_INPUTS}),
        budget="thinking_token_budget",
        echo="reasoning",
        begins={"add_generation_prompt": False, "continue_final_message": True},
        keyless=True,
        can=_USUAL | {"audio", "video", "prefill"},
    ),
    Dialect(
        # "Reasoning": `reasoning_effort` is a word, or a number of tokens.
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        has=frozenset({Feature.TOP_K}),
        budget="reasoning_effort",
        echo="reasoning_content",
    ),
    Dialect(
        "cerebras",
        "https://api.cerebras.ai/v1",
        lacks=_PICTURES | _PENALTIES | {Feature.DIMENSIONS},
        limit="max_completion_tokens",
        echo="reasoning",
        can=_USUAL - {"vision", "embeddings"},
    ),
    Dialect(
        "perplexity",
        "https://api.perplexity.ai",
        lacks=_CALLING | {Feature.SEED, Feature.STOP, Feature.TOOL_RESULT_MEDIA},
        has=frozenset({Feature.TOP_K}),
        asks_usage=False,
        efforts=_efforts(none="minimal", max="high"),
        system_anywhere=False,
        embed_inputs=512,
        embed_tokens=120_000,
        lists=False,
        can=_USUAL - {"tools"},
    ),
    Dialect(
        # "OpenAI compatibility": pictures by their bytes only, and no choice of tools.
        "ollama",
        "http://127.0.0.1:11434/v1",
        lacks=_CALLING | {Feature.IMAGE_URI, Feature.IMAGE_DETAIL},
        echo="reasoning",
        keyless=True,
    ),
    Dialect("huggingface", "https://router.huggingface.co/v1", can=_USUAL - {"embeddings"}),
    Dialect(
        "zai",
        "https://api.z.ai/api/paas/v4",
        lists=False,
        lacks=_PENALTIES
        | {
            Feature.SEED,
            Feature.PARALLEL_TOOL_CALLS,
            Feature.STRICT_TOOLS,
            Feature.STRICT_SCHEMA,
            Feature.IMAGE_DETAIL,
        },
        has=frozenset({Feature.VIDEO_URI}),
        effort="thinking.type",
        efforts={effort: "disabled" if effort is ReasoningEffort.NONE else "enabled" for effort in ReasoningEffort},
        echo="reasoning_content",
        schemas=False,
        can=_USUAL - {"json_schema"} | {"video"},
    ),
    Dialect(
        "vercel",
        "https://ai-gateway.vercel.sh/v1",
        effort="reasoning.effort",
        efforts=_efforts(max="xhigh"),
        budget="reasoning.max_tokens",
        echo="reasoning",
    ),
)

DIALECTS: Mapping[str, Dialect] = {row.word: row for row in _ROWS}
"""By the provider's word in the configuration."""

_RESPONSES_LACK = _PENALTIES | {Feature.SEED, Feature.STOP}
RESPONSES = (OPENAI.carries | {Feature.DOCUMENT_URI}) - _RESPONSES_LACK
"""What the Responses API carries, whoever serves it."""


def dialect_of(provider: str, base_url: str) -> Dialect:
    """Return what is spoken to an OpenAI-shaped *provider*; `openai` somewhere else means any compatible server."""
    if provider in DIALECTS:
        return DIALECTS[provider]
    host = urlsplit(base_url).hostname or ""
    ours = not host or host == "api.openai.com" or host.endswith(".api.openai.com")
    return OPENAI if ours else COMPATIBLE


def cache_mark(dialect: Dialect, model: str, *, responses: bool = False) -> str:
    """Return the field that ends a cached prefix, "" = there is none.

    OpenAI's models have one since GPT-5.6 ("Prompt caching"), in both interfaces; older ones refuse it.
    """
    if Feature.CACHE_HINTS in dialect.has and not responses:
        return "cache_control"
    version = _GPT.match(model) if dialect is OPENAI else None
    marked = version is not None and (int(version[1]), int(version[2] or 0)) >= _FIRST_MARKED
    return "prompt_cache_breakpoint" if marked else ""


def by_responses(api: str | None, path: str) -> bool:
    """Say whether an OpenAI-shaped backend is asked by the Responses API: as `api` says, or else its path."""
    return api == "responses" or (api is None and path.rstrip("/").endswith("/responses"))
