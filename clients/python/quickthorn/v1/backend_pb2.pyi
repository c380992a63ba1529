from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BackendState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BACKEND_STATE_UNSPECIFIED: _ClassVar[BackendState]
    BACKEND_STATE_AUTO: _ClassVar[BackendState]
    BACKEND_STATE_DRAINED: _ClassVar[BackendState]
    BACKEND_STATE_FORCED_OPEN: _ClassVar[BackendState]
    BACKEND_STATE_FORCED_CLOSED: _ClassVar[BackendState]

class CircuitState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CIRCUIT_STATE_UNSPECIFIED: _ClassVar[CircuitState]
    CIRCUIT_STATE_CLOSED: _ClassVar[CircuitState]
    CIRCUIT_STATE_OPEN: _ClassVar[CircuitState]
    CIRCUIT_STATE_HALF_OPEN: _ClassVar[CircuitState]
BACKEND_STATE_UNSPECIFIED: BackendState
BACKEND_STATE_AUTO: BackendState
BACKEND_STATE_DRAINED: BackendState
BACKEND_STATE_FORCED_OPEN: BackendState
BACKEND_STATE_FORCED_CLOSED: BackendState
CIRCUIT_STATE_UNSPECIFIED: CircuitState
CIRCUIT_STATE_CLOSED: CircuitState
CIRCUIT_STATE_OPEN: CircuitState
CIRCUIT_STATE_HALF_OPEN: CircuitState

class BackendInfo(_message.Message):
    __slots__ = ("name", "provider", "model", "model_id", "state", "circuit", "circuit_changed", "in_flight", "max_in_flight", "last_failure", "first_content_p50", "first_content_p99", "routes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_CHANGED_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    FIRST_CONTENT_P50_FIELD_NUMBER: _ClassVar[int]
    FIRST_CONTENT_P99_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    provider: str
    model: str
    model_id: str
    state: BackendState
    circuit: CircuitState
    circuit_changed: _timestamp_pb2.Timestamp
    in_flight: int
    max_in_flight: int
    last_failure: str
    first_content_p50: _duration_pb2.Duration
    first_content_p99: _duration_pb2.Duration
    routes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., model_id: _Optional[str] = ..., state: _Optional[_Union[BackendState, str]] = ..., circuit: _Optional[_Union[CircuitState, str]] = ..., circuit_changed: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., in_flight: _Optional[int] = ..., max_in_flight: _Optional[int] = ..., last_failure: _Optional[str] = ..., first_content_p50: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., first_content_p99: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., routes: _Optional[_Iterable[str]] = ...) -> None: ...
