from quickthorn.v1 import trace_pb2 as _trace_pb2
from quickthorn.v1 import usage_pb2 as _usage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_INVALID_REQUEST: _ClassVar[Reason]
    REASON_REJECTED: _ClassVar[Reason]
    REASON_UNKNOWN_ROUTE: _ClassVar[Reason]
    REASON_CALLER_UNKNOWN: _ClassVar[Reason]
    REASON_ROUTE_FORBIDDEN: _ClassVar[Reason]
    REASON_NO_ELIGIBLE_BACKEND: _ClassVar[Reason]
    REASON_CONTEXT_TOO_LONG: _ClassVar[Reason]
    REASON_BACKEND_MISCONFIGURED: _ClassVar[Reason]
    REASON_NO_HEALTHY_BACKEND: _ClassVar[Reason]
    REASON_ALL_FAILED: _ClassVar[Reason]
    REASON_RATE_LIMITED: _ClassVar[Reason]
    REASON_OVERLOADED: _ClassVar[Reason]
    REASON_DRAINING: _ClassVar[Reason]
    REASON_BUDGET_SPENT: _ClassVar[Reason]
    REASON_FIRST_TOKEN_TIMEOUT: _ClassVar[Reason]
    REASON_DEADLINE: _ClassVar[Reason]
    REASON_STREAM_BROKEN: _ClassVar[Reason]
    REASON_CONTENT_FILTERED: _ClassVar[Reason]
    REASON_INTERNAL: _ClassVar[Reason]
REASON_UNSPECIFIED: Reason
REASON_INVALID_REQUEST: Reason
REASON_REJECTED: Reason
REASON_UNKNOWN_ROUTE: Reason
REASON_CALLER_UNKNOWN: Reason
REASON_ROUTE_FORBIDDEN: Reason
REASON_NO_ELIGIBLE_BACKEND: Reason
REASON_CONTEXT_TOO_LONG: Reason
REASON_BACKEND_MISCONFIGURED: Reason
REASON_NO_HEALTHY_BACKEND: Reason
REASON_ALL_FAILED: Reason
REASON_RATE_LIMITED: Reason
REASON_OVERLOADED: Reason
REASON_DRAINING: Reason
REASON_BUDGET_SPENT: Reason
REASON_FIRST_TOKEN_TIMEOUT: Reason
REASON_DEADLINE: Reason
REASON_STREAM_BROKEN: Reason
REASON_CONTENT_FILTERED: Reason
REASON_INTERNAL: Reason

class RouteFailure(_message.Message):
    __slots__ = ("request_id", "attempts", "attempts_omitted", "usage", "cost_nano_usd", "delivered")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_OMITTED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    attempts: _containers.RepeatedCompositeFieldContainer[_trace_pb2.Attempt]
    attempts_omitted: int
    usage: _usage_pb2.Usage
    cost_nano_usd: int
    delivered: int
    def __init__(self, request_id: _Optional[str] = ..., attempts: _Optional[_Iterable[_Union[_trace_pb2.Attempt, _Mapping]]] = ..., attempts_omitted: _Optional[int] = ..., usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., cost_nano_usd: _Optional[int] = ..., delivered: _Optional[int] = ...) -> None: ...
