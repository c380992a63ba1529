from quickthorn.v1 import content_pb2 as _content_pb2
from quickthorn.v1 import directives_pb2 as _directives_pb2
from quickthorn.v1 import options_pb2 as _options_pb2
from quickthorn.v1 import tool_pb2 as _tool_pb2
from quickthorn.v1 import trace_pb2 as _trace_pb2
from quickthorn.v1 import usage_pb2 as _usage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_TOOL_CALLS: _ClassVar[FinishReason]
    FINISH_REASON_CONTENT_FILTER: _ClassVar[FinishReason]
    FINISH_REASON_REFUSAL: _ClassVar[FinishReason]
    FINISH_REASON_OTHER: _ClassVar[FinishReason]
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_TOOL_CALLS: FinishReason
FINISH_REASON_CONTENT_FILTER: FinishReason
FINISH_REASON_REFUSAL: FinishReason
FINISH_REASON_OTHER: FinishReason

class CompletionRequest(_message.Message):
    __slots__ = ("route", "system", "messages", "tools", "tool_choice", "response_format", "sampling", "reasoning", "requirements", "preferences", "directives", "provider_options_json", "labels", "request_id")
    class ProviderOptionsJsonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    DIRECTIVES_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    route: str
    system: _containers.RepeatedCompositeFieldContainer[_content_pb2.Part]
    messages: _containers.RepeatedCompositeFieldContainer[_content_pb2.Message]
    tools: _containers.RepeatedCompositeFieldContainer[_tool_pb2.Tool]
    tool_choice: _tool_pb2.ToolChoice
    response_format: _options_pb2.ResponseFormat
    sampling: _options_pb2.Sampling
    reasoning: _options_pb2.ReasoningOptions
    requirements: _directives_pb2.Requirements
    preferences: _directives_pb2.Preferences
    directives: _directives_pb2.Directives
    provider_options_json: _containers.ScalarMap[str, str]
    labels: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, route: _Optional[str] = ..., system: _Optional[_Iterable[_Union[_content_pb2.Part, _Mapping]]] = ..., messages: _Optional[_Iterable[_Union[_content_pb2.Message, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[_tool_pb2.Tool, _Mapping]]] = ..., tool_choice: _Optional[_Union[_tool_pb2.ToolChoice, _Mapping]] = ..., response_format: _Optional[_Union[_options_pb2.ResponseFormat, _Mapping]] = ..., sampling: _Optional[_Union[_options_pb2.Sampling, _Mapping]] = ..., reasoning: _Optional[_Union[_options_pb2.ReasoningOptions, _Mapping]] = ..., requirements: _Optional[_Union[_directives_pb2.Requirements, _Mapping]] = ..., preferences: _Optional[_Union[_directives_pb2.Preferences, _Mapping]] = ..., directives: _Optional[_Union[_directives_pb2.Directives, _Mapping]] = ..., provider_options_json: _Optional[_Mapping[str, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Completion(_message.Message):
    __slots__ = ("id", "request_id", "message", "finish_reason", "stop_sequence", "usage", "cost_nano_usd", "trace")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    STOP_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    message: _content_pb2.Message
    finish_reason: FinishReason
    stop_sequence: str
    usage: _usage_pb2.Usage
    cost_nano_usd: int
    trace: _trace_pb2.RouteTrace
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ..., message: _Optional[_Union[_content_pb2.Message, _Mapping]] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., stop_sequence: _Optional[str] = ..., usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., cost_nano_usd: _Optional[int] = ..., trace: _Optional[_Union[_trace_pb2.RouteTrace, _Mapping]] = ...) -> None: ...
