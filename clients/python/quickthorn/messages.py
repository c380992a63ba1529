"""Every message and enum of the `Routing` service in one place: `from quickthorn import messages`."""

from quickthorn.v1.backend_pb2 import (
    CircuitState,
)
from quickthorn.v1.completion_pb2 import (
    Completion,
    CompletionRequest,
    FinishReason,
)
from quickthorn.v1.content_pb2 import (
    CacheHint,
    Citation,
    Media,
    Message,
    OpaqueState,
    Part,
    ProviderBlock,
    Role,
    ToolCall,
    ToolResult,
)
from quickthorn.v1.directives_pb2 import (
    Consistency,
    Directives,
    Objective,
    OnBreak,
    Preferences,
    Priority,
    Requirements,
)
from quickthorn.v1.embedding_pb2 import (
    Embedding,
    EmbeddingInput,
    EmbeddingInputType,
    EmbedRequest,
    EmbedResponse,
    TokenIds,
)
from quickthorn.v1.events_pb2 import (
    CompletionEvent,
    Escalated,
    Finished,
    Heartbeat,
    PartEvent,
    ReasoningDelta,
    Seam,
    Started,
    TextDelta,
    ToolCallDelta,
)
from quickthorn.v1.explanation_pb2 import (
    Candidate,
    Explanation,
    HedgeRule,
    Timeouts,
    UpstreamMode,
)
from quickthorn.v1.failure_pb2 import (
    RouteFailure,
)
from quickthorn.v1.options_pb2 import (
    JsonObjectFormat,
    JsonSchemaFormat,
    ReasoningEffort,
    ReasoningOptions,
    ResponseFormat,
    Sampling,
    TextFormat,
)
from quickthorn.v1.route_pb2 import (
    ListRoutesRequest,
    ListRoutesResponse,
    RouteInfo,
)
from quickthorn.v1.tool_pb2 import (
    FunctionTool,
    Tool,
    ToolChoice,
    ToolMode,
)
from quickthorn.v1.trace_pb2 import (
    Attempt,
    LaneCause,
    LaneOutcome,
    RouteTrace,
)
from quickthorn.v1.usage_pb2 import (
    Usage,
    UsageSource,
)

__all__ = [
    "Attempt",
    "CacheHint",
    "Candidate",
    "CircuitState",
    "Citation",
    "Completion",
    "CompletionEvent",
    "CompletionRequest",
    "Consistency",
    "Directives",
    "EmbedRequest",
    "EmbedResponse",
    "Embedding",
    "EmbeddingInput",
    "EmbeddingInputType",
    "Escalated",
    "Explanation",
    "FinishReason",
    "Finished",
    "FunctionTool",
    "Heartbeat",
    "HedgeRule",
    "JsonObjectFormat",
    "JsonSchemaFormat",
    "LaneCause",
    "LaneOutcome",
    "ListRoutesRequest",
    "ListRoutesResponse",
    "Media",
    "Message",
    "Objective",
    "OnBreak",
    "OpaqueState",
    "Part",
    "PartEvent",
    "Preferences",
    "Priority",
    "ProviderBlock",
    "ReasoningDelta",
    "ReasoningEffort",
    "ReasoningOptions",
    "Requirements",
    "ResponseFormat",
    "Role",
    "RouteFailure",
    "RouteInfo",
    "RouteTrace",
    "Sampling",
    "Seam",
    "Started",
    "TextDelta",
    "TextFormat",
    "Timeouts",
    "TokenIds",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "ToolMode",
    "ToolResult",
    "UpstreamMode",
    "Usage",
    "UsageSource",
]
