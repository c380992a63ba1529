from google.protobuf import duration_pb2 as _duration_pb2
from quickthorn.v1 import backend_pb2 as _backend_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UpstreamMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UPSTREAM_MODE_UNSPECIFIED: _ClassVar[UpstreamMode]
    UPSTREAM_MODE_STREAM: _ClassVar[UpstreamMode]
    UPSTREAM_MODE_WHOLE: _ClassVar[UpstreamMode]
UPSTREAM_MODE_UNSPECIFIED: UpstreamMode
UPSTREAM_MODE_STREAM: UpstreamMode
UPSTREAM_MODE_WHOLE: UpstreamMode

class Explanation(_message.Message):
    __slots__ = ("route", "strategy", "candidates", "order", "hedge", "max_attempts", "upstream", "estimated_input_tokens", "needs", "config_version", "notes", "ladder")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    HEDGE_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NEEDS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    LADDER_FIELD_NUMBER: _ClassVar[int]
    route: str
    strategy: str
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    order: _containers.RepeatedScalarFieldContainer[str]
    hedge: HedgeRule
    max_attempts: int
    upstream: UpstreamMode
    estimated_input_tokens: int
    needs: _containers.RepeatedScalarFieldContainer[str]
    config_version: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    ladder: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, route: _Optional[str] = ..., strategy: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., order: _Optional[_Iterable[str]] = ..., hedge: _Optional[_Union[HedgeRule, _Mapping]] = ..., max_attempts: _Optional[int] = ..., upstream: _Optional[_Union[UpstreamMode, str]] = ..., estimated_input_tokens: _Optional[int] = ..., needs: _Optional[_Iterable[str]] = ..., config_version: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ..., ladder: _Optional[_Iterable[str]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("backend", "provider", "model", "model_id", "kept", "position", "reason", "detail", "circuit", "estimated_cost_nano_usd", "timeouts")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUTS_FIELD_NUMBER: _ClassVar[int]
    backend: str
    provider: str
    model: str
    model_id: str
    kept: bool
    position: int
    reason: str
    detail: str
    circuit: _backend_pb2.CircuitState
    estimated_cost_nano_usd: int
    timeouts: Timeouts
    def __init__(self, backend: _Optional[str] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., model_id: _Optional[str] = ..., kept: bool = ..., position: _Optional[int] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., circuit: _Optional[_Union[_backend_pb2.CircuitState, str]] = ..., estimated_cost_nano_usd: _Optional[int] = ..., timeouts: _Optional[_Union[Timeouts, _Mapping]] = ...) -> None: ...

class HedgeRule(_message.Message):
    __slots__ = ("delay", "max_parallel", "target", "no_hedge", "probability", "expected", "expected_without", "learned_from", "basis", "to")
    DELAY_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLEL_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    NO_HEDGE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    LEARNED_FROM_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    delay: _duration_pb2.Duration
    max_parallel: int
    target: str
    no_hedge: str
    probability: float
    expected: _duration_pb2.Duration
    expected_without: _duration_pb2.Duration
    learned_from: int
    basis: str
    to: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, delay: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., max_parallel: _Optional[int] = ..., target: _Optional[str] = ..., no_hedge: _Optional[str] = ..., probability: _Optional[float] = ..., expected: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., expected_without: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., learned_from: _Optional[int] = ..., basis: _Optional[str] = ..., to: _Optional[_Iterable[str]] = ...) -> None: ...

class Timeouts(_message.Message):
    __slots__ = ("connect", "first_token", "idle", "total")
    CONNECT_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    IDLE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    connect: _duration_pb2.Duration
    first_token: _duration_pb2.Duration
    idle: _duration_pb2.Duration
    total: _duration_pb2.Duration
    def __init__(self, connect: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., first_token: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., idle: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., total: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...
