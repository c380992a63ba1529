from quickthorn.v1 import completion_pb2 as _completion_pb2
from quickthorn.v1 import content_pb2 as _content_pb2
from quickthorn.v1 import trace_pb2 as _trace_pb2
from quickthorn.v1 import usage_pb2 as _usage_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CompletionEvent(_message.Message):
    __slots__ = ("started", "text", "reasoning", "tool_call", "part", "usage", "seam", "finished", "heartbeat", "escalated")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    SEAM_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    ESCALATED_FIELD_NUMBER: _ClassVar[int]
    started: Started
    text: TextDelta
    reasoning: ReasoningDelta
    tool_call: ToolCallDelta
    part: PartEvent
    usage: _usage_pb2.Usage
    seam: Seam
    finished: Finished
    heartbeat: Heartbeat
    escalated: Escalated
    def __init__(self, started: _Optional[_Union[Started, _Mapping]] = ..., text: _Optional[_Union[TextDelta, _Mapping]] = ..., reasoning: _Optional[_Union[ReasoningDelta, _Mapping]] = ..., tool_call: _Optional[_Union[ToolCallDelta, _Mapping]] = ..., part: _Optional[_Union[PartEvent, _Mapping]] = ..., usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., seam: _Optional[_Union[Seam, _Mapping]] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., escalated: _Optional[_Union[Escalated, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("id", "request_id", "backend", "provider", "model", "cause")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    backend: str
    provider: str
    model: str
    cause: _trace_pb2.LaneCause
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ..., backend: _Optional[str] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., cause: _Optional[_Union[_trace_pb2.LaneCause, str]] = ...) -> None: ...

class TextDelta(_message.Message):
    __slots__ = ("part", "text")
    PART_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    part: int
    text: str
    def __init__(self, part: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class ReasoningDelta(_message.Message):
    __slots__ = ("part", "text")
    PART_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    part: int
    text: str
    def __init__(self, part: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class ToolCallDelta(_message.Message):
    __slots__ = ("part", "id", "name", "arguments_json")
    PART_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    part: int
    id: str
    name: str
    arguments_json: str
    def __init__(self, part: _Optional[int] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., arguments_json: _Optional[str] = ...) -> None: ...

class PartEvent(_message.Message):
    __slots__ = ("part", "value")
    PART_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    part: int
    value: _content_pb2.Part
    def __init__(self, part: _Optional[int] = ..., value: _Optional[_Union[_content_pb2.Part, _Mapping]] = ...) -> None: ...

class Seam(_message.Message):
    __slots__ = ("part", "offset", "from_backend", "to_backend", "method", "exact")
    PART_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    FROM_BACKEND_FIELD_NUMBER: _ClassVar[int]
    TO_BACKEND_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    part: int
    offset: int
    from_backend: str
    to_backend: str
    method: str
    exact: bool
    def __init__(self, part: _Optional[int] = ..., offset: _Optional[int] = ..., from_backend: _Optional[str] = ..., to_backend: _Optional[str] = ..., method: _Optional[str] = ..., exact: bool = ...) -> None: ...

class Escalated(_message.Message):
    __slots__ = ("id", "reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    reason: str
    def __init__(self, id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Finished(_message.Message):
    __slots__ = ("finish_reason", "stop_sequence", "usage", "cost_nano_usd", "trace")
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    STOP_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    finish_reason: _completion_pb2.FinishReason
    stop_sequence: str
    usage: _usage_pb2.Usage
    cost_nano_usd: int
    trace: _trace_pb2.RouteTrace
    def __init__(self, finish_reason: _Optional[_Union[_completion_pb2.FinishReason, str]] = ..., stop_sequence: _Optional[str] = ..., usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., cost_nano_usd: _Optional[int] = ..., trace: _Optional[_Union[_trace_pb2.RouteTrace, _Mapping]] = ...) -> None: ...
