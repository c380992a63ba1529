from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from quickthorn.v1 import backend_pb2 as _backend_pb2
from quickthorn.v1 import completion_pb2 as _completion_pb2
from quickthorn.v1 import directives_pb2 as _directives_pb2
from quickthorn.v1 import events_pb2 as _events_pb2
from quickthorn.v1 import explanation_pb2 as _explanation_pb2
from quickthorn.v1 import trace_pb2 as _trace_pb2
from quickthorn.v1 import usage_pb2 as _usage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordedRpc(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECORDED_RPC_UNSPECIFIED: _ClassVar[RecordedRpc]
    RECORDED_RPC_COMPLETE: _ClassVar[RecordedRpc]
    RECORDED_RPC_STREAM_COMPLETE: _ClassVar[RecordedRpc]
    RECORDED_RPC_EMBED: _ClassVar[RecordedRpc]
RECORDED_RPC_UNSPECIFIED: RecordedRpc
RECORDED_RPC_COMPLETE: RecordedRpc
RECORDED_RPC_STREAM_COMPLETE: RecordedRpc
RECORDED_RPC_EMBED: RecordedRpc

class DecisionRecord(_message.Message):
    __slots__ = ("at", "id", "request_id", "caller", "route", "strategy", "labels", "rpc", "plan", "attempts", "served_by", "outcome", "finish_reason", "usage", "cost_nano_usd", "purses", "config_version", "duration", "first_content", "delivered", "request_json", "answer_json", "degraded", "needs", "extra_cost_nano_usd", "extra_usage", "seams", "rung", "escalation", "hedge_probability", "hedge_basis", "no_hedge")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    RPC_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    SERVED_BY_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    PURSES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    FIRST_CONTENT_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_JSON_FIELD_NUMBER: _ClassVar[int]
    ANSWER_JSON_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    NEEDS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    EXTRA_USAGE_FIELD_NUMBER: _ClassVar[int]
    SEAMS_FIELD_NUMBER: _ClassVar[int]
    RUNG_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_FIELD_NUMBER: _ClassVar[int]
    HEDGE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    HEDGE_BASIS_FIELD_NUMBER: _ClassVar[int]
    NO_HEDGE_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    id: str
    request_id: str
    caller: str
    route: str
    strategy: str
    labels: _containers.ScalarMap[str, str]
    rpc: RecordedRpc
    plan: RecordedPlan
    attempts: _containers.RepeatedCompositeFieldContainer[_trace_pb2.Attempt]
    served_by: int
    outcome: str
    finish_reason: _completion_pb2.FinishReason
    usage: _usage_pb2.Usage
    cost_nano_usd: int
    purses: _containers.RepeatedCompositeFieldContainer[PurseLevel]
    config_version: str
    duration: _duration_pb2.Duration
    first_content: _duration_pb2.Duration
    delivered: int
    request_json: str
    answer_json: str
    degraded: str
    needs: RecordedNeeds
    extra_cost_nano_usd: int
    extra_usage: _usage_pb2.Usage
    seams: _containers.RepeatedCompositeFieldContainer[_events_pb2.Seam]
    rung: str
    escalation: str
    hedge_probability: float
    hedge_basis: str
    no_hedge: str
    def __init__(self, at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., id: _Optional[str] = ..., request_id: _Optional[str] = ..., caller: _Optional[str] = ..., route: _Optional[str] = ..., strategy: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., rpc: _Optional[_Union[RecordedRpc, str]] = ..., plan: _Optional[_Union[RecordedPlan, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[_trace_pb2.Attempt, _Mapping]]] = ..., served_by: _Optional[int] = ..., outcome: _Optional[str] = ..., finish_reason: _Optional[_Union[_completion_pb2.FinishReason, str]] = ..., usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., cost_nano_usd: _Optional[int] = ..., purses: _Optional[_Iterable[_Union[PurseLevel, _Mapping]]] = ..., config_version: _Optional[str] = ..., duration: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., first_content: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., delivered: _Optional[int] = ..., request_json: _Optional[str] = ..., answer_json: _Optional[str] = ..., degraded: _Optional[str] = ..., needs: _Optional[_Union[RecordedNeeds, _Mapping]] = ..., extra_cost_nano_usd: _Optional[int] = ..., extra_usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., seams: _Optional[_Iterable[_Union[_events_pb2.Seam, _Mapping]]] = ..., rung: _Optional[str] = ..., escalation: _Optional[str] = ..., hedge_probability: _Optional[float] = ..., hedge_basis: _Optional[str] = ..., no_hedge: _Optional[str] = ...) -> None: ...

class RecordedNeeds(_message.Message):
    __slots__ = ("capabilities", "regions", "data_policies", "context_tokens", "max_output_tokens", "max_cost_nano_usd", "max_first_token", "states", "providers", "provider_tools", "directives", "preferences", "features")
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    DATA_POLICIES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    MAX_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_TOOLS_FIELD_NUMBER: _ClassVar[int]
    DIRECTIVES_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    regions: _containers.RepeatedScalarFieldContainer[str]
    data_policies: _containers.RepeatedScalarFieldContainer[str]
    context_tokens: int
    max_output_tokens: int
    max_cost_nano_usd: int
    max_first_token: _duration_pb2.Duration
    states: _containers.RepeatedCompositeFieldContainer[RecordedState]
    providers: _containers.RepeatedScalarFieldContainer[str]
    provider_tools: bool
    directives: _directives_pb2.Directives
    preferences: _directives_pb2.Preferences
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, capabilities: _Optional[_Iterable[str]] = ..., regions: _Optional[_Iterable[str]] = ..., data_policies: _Optional[_Iterable[str]] = ..., context_tokens: _Optional[int] = ..., max_output_tokens: _Optional[int] = ..., max_cost_nano_usd: _Optional[int] = ..., max_first_token: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., states: _Optional[_Iterable[_Union[RecordedState, _Mapping]]] = ..., providers: _Optional[_Iterable[str]] = ..., provider_tools: bool = ..., directives: _Optional[_Union[_directives_pb2.Directives, _Mapping]] = ..., preferences: _Optional[_Union[_directives_pb2.Preferences, _Mapping]] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class RecordedState(_message.Message):
    __slots__ = ("provider", "model")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model: str
    def __init__(self, provider: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class RecordedPlan(_message.Message):
    __slots__ = ("candidates", "order", "hedge", "max_attempts", "failover", "upstream", "estimated_input_tokens", "panic", "turn")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    HEDGE_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    FAILOVER_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PANIC_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[RecordedCandidate]
    order: _containers.RepeatedScalarFieldContainer[str]
    hedge: _explanation_pb2.HedgeRule
    max_attempts: int
    failover: bool
    upstream: _explanation_pb2.UpstreamMode
    estimated_input_tokens: int
    panic: _containers.RepeatedScalarFieldContainer[str]
    turn: int
    def __init__(self, candidates: _Optional[_Iterable[_Union[RecordedCandidate, _Mapping]]] = ..., order: _Optional[_Iterable[str]] = ..., hedge: _Optional[_Union[_explanation_pb2.HedgeRule, _Mapping]] = ..., max_attempts: _Optional[int] = ..., failover: bool = ..., upstream: _Optional[_Union[_explanation_pb2.UpstreamMode, str]] = ..., estimated_input_tokens: _Optional[int] = ..., panic: _Optional[_Iterable[str]] = ..., turn: _Optional[int] = ...) -> None: ...

class RecordedCandidate(_message.Message):
    __slots__ = ("backend", "kept", "position", "reason", "detail", "circuit", "slow_start", "hope")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    SLOW_START_FIELD_NUMBER: _ClassVar[int]
    HOPE_FIELD_NUMBER: _ClassVar[int]
    backend: str
    kept: bool
    position: int
    reason: str
    detail: str
    circuit: _backend_pb2.CircuitState
    slow_start: float
    hope: float
    def __init__(self, backend: _Optional[str] = ..., kept: bool = ..., position: _Optional[int] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., circuit: _Optional[_Union[_backend_pb2.CircuitState, str]] = ..., slow_start: _Optional[float] = ..., hope: _Optional[float] = ...) -> None: ...

class PurseLevel(_message.Message):
    __slots__ = ("purse", "level", "burst")
    PURSE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    purse: str
    level: float
    burst: float
    def __init__(self, purse: _Optional[str] = ..., level: _Optional[float] = ..., burst: _Optional[float] = ...) -> None: ...
