from google.protobuf import duration_pb2 as _duration_pb2
from quickthorn.v1 import usage_pb2 as _usage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LaneCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANE_CAUSE_UNSPECIFIED: _ClassVar[LaneCause]
    LANE_CAUSE_FIRST: _ClassVar[LaneCause]
    LANE_CAUSE_SILENCE: _ClassVar[LaneCause]
    LANE_CAUSE_FAILOVER: _ClassVar[LaneCause]
    LANE_CAUSE_RETRY: _ClassVar[LaneCause]
    LANE_CAUSE_CONTINUATION: _ClassVar[LaneCause]

class LaneOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANE_OUTCOME_UNSPECIFIED: _ClassVar[LaneOutcome]
    LANE_OUTCOME_WON: _ClassVar[LaneOutcome]
    LANE_OUTCOME_LOST: _ClassVar[LaneOutcome]
    LANE_OUTCOME_FAILED: _ClassVar[LaneOutcome]
    LANE_OUTCOME_BROKE: _ClassVar[LaneOutcome]
    LANE_OUTCOME_ABANDONED: _ClassVar[LaneOutcome]
LANE_CAUSE_UNSPECIFIED: LaneCause
LANE_CAUSE_FIRST: LaneCause
LANE_CAUSE_SILENCE: LaneCause
LANE_CAUSE_FAILOVER: LaneCause
LANE_CAUSE_RETRY: LaneCause
LANE_CAUSE_CONTINUATION: LaneCause
LANE_OUTCOME_UNSPECIFIED: LaneOutcome
LANE_OUTCOME_WON: LaneOutcome
LANE_OUTCOME_LOST: LaneOutcome
LANE_OUTCOME_FAILED: LaneOutcome
LANE_OUTCOME_BROKE: LaneOutcome
LANE_OUTCOME_ABANDONED: LaneOutcome

class Attempt(_message.Message):
    __slots__ = ("backend", "provider", "model", "cause", "outcome", "started", "first_content", "ended", "failure", "http_status", "provider_request_id", "usage", "cost_nano_usd")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    FIRST_CONTENT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    backend: str
    provider: str
    model: str
    cause: LaneCause
    outcome: LaneOutcome
    started: _duration_pb2.Duration
    first_content: _duration_pb2.Duration
    ended: _duration_pb2.Duration
    failure: str
    http_status: int
    provider_request_id: str
    usage: _usage_pb2.Usage
    cost_nano_usd: int
    def __init__(self, backend: _Optional[str] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., cause: _Optional[_Union[LaneCause, str]] = ..., outcome: _Optional[_Union[LaneOutcome, str]] = ..., started: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., first_content: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., ended: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., failure: _Optional[str] = ..., http_status: _Optional[int] = ..., provider_request_id: _Optional[str] = ..., usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., cost_nano_usd: _Optional[int] = ...) -> None: ...

class RouteTrace(_message.Message):
    __slots__ = ("attempts", "served_by", "label", "rule", "experiment_arm", "degraded", "cache_status", "no_hedge", "hedge_delay", "config_version", "hedge_probability", "hedge_basis", "extra_cost_nano_usd", "extra_usage", "rung", "escalation")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    SERVED_BY_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ARM_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    CACHE_STATUS_FIELD_NUMBER: _ClassVar[int]
    NO_HEDGE_FIELD_NUMBER: _ClassVar[int]
    HEDGE_DELAY_FIELD_NUMBER: _ClassVar[int]
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEDGE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    HEDGE_BASIS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    EXTRA_USAGE_FIELD_NUMBER: _ClassVar[int]
    RUNG_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    served_by: int
    label: str
    rule: str
    experiment_arm: str
    degraded: str
    cache_status: str
    no_hedge: str
    hedge_delay: _duration_pb2.Duration
    config_version: str
    hedge_probability: float
    hedge_basis: str
    extra_cost_nano_usd: int
    extra_usage: _usage_pb2.Usage
    rung: str
    escalation: str
    def __init__(self, attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., served_by: _Optional[int] = ..., label: _Optional[str] = ..., rule: _Optional[str] = ..., experiment_arm: _Optional[str] = ..., degraded: _Optional[str] = ..., cache_status: _Optional[str] = ..., no_hedge: _Optional[str] = ..., hedge_delay: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., config_version: _Optional[str] = ..., hedge_probability: _Optional[float] = ..., hedge_basis: _Optional[str] = ..., extra_cost_nano_usd: _Optional[int] = ..., extra_usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., rung: _Optional[str] = ..., escalation: _Optional[str] = ...) -> None: ...
