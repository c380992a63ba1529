"""Python client of Quickthorn, the LLM routing service spoken over gRPC: `Client`, `AsyncClient` and what they use.

Every public name is here, and the messages of the contract are in `quickthorn.messages`.
"""

from quickthorn import messages
from quickthorn._async_client import AsyncClient
from quickthorn._async_stream import AsyncStream
from quickthorn._client import Client
from quickthorn._connection import DEFAULT_TARGET, DEFAULT_TIMEOUT, Tls
from quickthorn._errors import STREAM_CUT, QuickthornError
from quickthorn._fields import CallOptions, CompletionFields, EmbedFields
from quickthorn._fold import Fold, afold, fold, text, tool_calls
from quickthorn._json import to_json
from quickthorn._request import completion_request, tool_result
from quickthorn._stream import Stream
from quickthorn._version import __version__

__all__ = [
    "DEFAULT_TARGET",
    "DEFAULT_TIMEOUT",
    "STREAM_CUT",
    "AsyncClient",
    "AsyncStream",
    "CallOptions",
    "Client",
    "CompletionFields",
    "EmbedFields",
    "Fold",
    "QuickthornError",
    "Stream",
    "Tls",
    "__version__",
    "afold",
    "completion_request",
    "fold",
    "messages",
    "text",
    "to_json",
    "tool_calls",
    "tool_result",
]
