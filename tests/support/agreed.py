"""What was agreed about the contract before it was written: names, types and numbers that clients rely on."""

from __future__ import annotations

_AGREED = """
Message
    Role role = 1
    repeated Part parts = 2
Part
    string text = 1
    Media image = 2
    Media document = 3
    Media audio = 4
    Media video = 5
    ToolCall tool_call = 6
    ToolResult tool_result = 7
    string reasoning = 8
    string refusal = 9
    ProviderBlock provider_block = 10
    optional CacheHint cache = 13
    repeated Citation citations = 14
    optional OpaqueState opaque = 15
Media
    bytes data = 1
    string uri = 2
    string provider_file_id = 3
    string media_type = 4
    string filename = 5
    string detail = 6
OpaqueState
    string provider = 1
    string model = 2
    string item_id = 3
    bytes data = 4
ProviderBlock
    string provider = 1
    string type = 2
    string json = 3
Citation
    string uri = 1
    string title = 2
    string cited_text = 3
    optional uint32 start = 4
    optional uint32 end = 5
    string provider_json = 6
CacheHint
    google.protobuf.Duration ttl = 1
ToolCall
    string id = 1
    string name = 2
    string arguments_json = 3
ToolResult
    string tool_call_id = 1
    repeated Part parts = 2
    bool is_error = 3
Tool
    FunctionTool function = 1
    ProviderBlock provider_tool = 2
    optional CacheHint cache = 3
FunctionTool
    string name = 1
    string description = 2
    string parameters_json_schema = 3
    optional bool strict = 4
Directives
    string backend = 1
    repeated string allow_backends = 2
    repeated string deny_backends = 3
    optional bool hedging = 4
    optional bool failover = 5
    string session_id = 6
    string experiment_key = 7
    OnBreak on_break = 8
    Priority priority = 9
    Consistency consistency = 10
    string task = 11
    string complexity = 12
Requirements
    repeated string capabilities = 1
    repeated string regions = 2
    repeated string data_policies = 3
    optional int64 max_cost_nano_usd = 4
    google.protobuf.Duration max_first_token = 5
    optional uint32 min_context_tokens = 6
CompletionRequest
    string route = 1
    repeated Part system = 2
    repeated Message messages = 3
    repeated Tool tools = 4
    Requirements requirements = 9
    Directives directives = 11
    map<string, string> provider_options_json = 12
    map<string, string> labels = 13
    string request_id = 14
Usage
    optional uint64 input_tokens = 1
    optional uint64 output_tokens = 2
    optional uint64 cache_read_tokens = 3
    optional uint64 cache_write_tokens = 4
    optional uint64 cache_write_long_tokens = 5
    optional uint64 reasoning_tokens = 6
    map<string, uint64> units = 7
    UsageSource source = 8
Attempt
    string backend = 1
    string provider = 2
    string model = 3
    LaneCause cause = 4
    LaneOutcome outcome = 5
    google.protobuf.Duration started = 6
    google.protobuf.Duration first_content = 7
    google.protobuf.Duration ended = 8
    string failure = 9
    optional uint32 http_status = 10
    string provider_request_id = 11
    Usage usage = 12
    optional int64 cost_nano_usd = 13
RouteTrace
    repeated Attempt attempts = 1
    optional uint32 served_by = 2
    string label = 3
    string rule = 4
    string experiment_arm = 5
    string degraded = 6
    string cache_status = 7
    string no_hedge = 8
    google.protobuf.Duration hedge_delay = 9
    string config_version = 10
Completion
    string id = 1
    string request_id = 2
    Message message = 3
    FinishReason finish_reason = 4
    string stop_sequence = 5
    Usage usage = 6
    optional int64 cost_nano_usd = 7
    RouteTrace trace = 8
CompletionEvent
    Started started = 1
    TextDelta text = 2
    ReasoningDelta reasoning = 3
    ToolCallDelta tool_call = 4
    PartEvent part = 5
    Usage usage = 6
    Seam seam = 7
    Finished finished = 8
    Heartbeat heartbeat = 9
Started
    string id = 1
    string request_id = 2
    string backend = 3
    string provider = 4
    string model = 5
    LaneCause cause = 6
TextDelta
    uint32 part = 1
    string text = 2
ReasoningDelta
    uint32 part = 1
    string text = 2
ToolCallDelta
    uint32 part = 1
    string id = 2
    string name = 3
    string arguments_json = 4
PartEvent
    uint32 part = 1
    Part value = 2
Seam
    uint32 part = 1
    uint64 offset = 2
    string from_backend = 3
    string to_backend = 4
    string method = 5
    bool exact = 6
Heartbeat
Finished
    FinishReason finish_reason = 1
    string stop_sequence = 2
    Usage usage = 3
    optional int64 cost_nano_usd = 4
    RouteTrace trace = 5
RouteFailure
    string request_id = 1
    repeated Attempt attempts = 2
    uint32 attempts_omitted = 3
    Usage usage = 4
    optional int64 cost_nano_usd = 5
    uint64 delivered = 6
Role
    ROLE_UNSPECIFIED = 0
    ROLE_USER = 1
    ROLE_ASSISTANT = 2
    ROLE_SYSTEM = 3
Priority
    PRIORITY_UNSPECIFIED = 0
    PRIORITY_BULK = 1
    PRIORITY_NORMAL = 2
    PRIORITY_CRITICAL = 3
OnBreak
    ON_BREAK_UNSPECIFIED = 0
    ON_BREAK_FAIL = 1
    ON_BREAK_CONTINUE = 2
Consistency
    CONSISTENCY_UNSPECIFIED = 0
    CONSISTENCY_ANY = 1
    CONSISTENCY_SAME_MODEL = 2
UsageSource
    USAGE_SOURCE_UNSPECIFIED = 0
    USAGE_SOURCE_REPORTED = 1
    USAGE_SOURCE_ESTIMATED = 2
    USAGE_SOURCE_UNKNOWN = 3
LaneCause
    LANE_CAUSE_UNSPECIFIED = 0
    LANE_CAUSE_FIRST = 1
    LANE_CAUSE_SILENCE = 2
    LANE_CAUSE_FAILOVER = 3
    LANE_CAUSE_RETRY = 4
    LANE_CAUSE_CONTINUATION = 5
LaneOutcome
    LANE_OUTCOME_UNSPECIFIED = 0
    LANE_OUTCOME_WON = 1
    LANE_OUTCOME_LOST = 2
    LANE_OUTCOME_FAILED = 3
    LANE_OUTCOME_BROKE = 4
    LANE_OUTCOME_ABANDONED = 5
FinishReason
    FINISH_REASON_UNSPECIFIED = 0
    FINISH_REASON_STOP = 1
    FINISH_REASON_LENGTH = 2
    FINISH_REASON_TOOL_CALLS = 3
    FINISH_REASON_CONTENT_FILTER = 4
    FINISH_REASON_REFUSAL = 5
    FINISH_REASON_OTHER = 6
"""


def agreed() -> dict[str, set[str]]:
    """Return the agreed fields and values, as the .proto files declare them, by message or enum."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in _AGREED.strip().splitlines():
        if line.startswith(" "):
            found[name].add(line.strip())
        else:
            name = line
            found[name] = set()
    return found
