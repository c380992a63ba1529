from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_BULK: _ClassVar[Priority]
    PRIORITY_NORMAL: _ClassVar[Priority]
    PRIORITY_CRITICAL: _ClassVar[Priority]

class OnBreak(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_BREAK_UNSPECIFIED: _ClassVar[OnBreak]
    ON_BREAK_FAIL: _ClassVar[OnBreak]
    ON_BREAK_CONTINUE: _ClassVar[OnBreak]

class Consistency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSISTENCY_UNSPECIFIED: _ClassVar[Consistency]
    CONSISTENCY_ANY: _ClassVar[Consistency]
    CONSISTENCY_SAME_MODEL: _ClassVar[Consistency]

class Objective(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OBJECTIVE_UNSPECIFIED: _ClassVar[Objective]
    OBJECTIVE_COST: _ClassVar[Objective]
    OBJECTIVE_LATENCY: _ClassVar[Objective]
    OBJECTIVE_QUALITY: _ClassVar[Objective]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_BULK: Priority
PRIORITY_NORMAL: Priority
PRIORITY_CRITICAL: Priority
ON_BREAK_UNSPECIFIED: OnBreak
ON_BREAK_FAIL: OnBreak
ON_BREAK_CONTINUE: OnBreak
CONSISTENCY_UNSPECIFIED: Consistency
CONSISTENCY_ANY: Consistency
CONSISTENCY_SAME_MODEL: Consistency
OBJECTIVE_UNSPECIFIED: Objective
OBJECTIVE_COST: Objective
OBJECTIVE_LATENCY: Objective
OBJECTIVE_QUALITY: Objective

class Directives(_message.Message):
    __slots__ = ("backend", "allow_backends", "deny_backends", "hedging", "failover", "session_id", "experiment_key", "on_break", "priority", "consistency", "task", "complexity", "may_drop", "max_extra_cost_nano_usd")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    ALLOW_BACKENDS_FIELD_NUMBER: _ClassVar[int]
    DENY_BACKENDS_FIELD_NUMBER: _ClassVar[int]
    HEDGING_FIELD_NUMBER: _ClassVar[int]
    FAILOVER_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_KEY_FIELD_NUMBER: _ClassVar[int]
    ON_BREAK_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    MAY_DROP_FIELD_NUMBER: _ClassVar[int]
    MAX_EXTRA_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    backend: str
    allow_backends: _containers.RepeatedScalarFieldContainer[str]
    deny_backends: _containers.RepeatedScalarFieldContainer[str]
    hedging: bool
    failover: bool
    session_id: str
    experiment_key: str
    on_break: OnBreak
    priority: Priority
    consistency: Consistency
    task: str
    complexity: str
    may_drop: _containers.RepeatedScalarFieldContainer[str]
    max_extra_cost_nano_usd: int
    def __init__(self, backend: _Optional[str] = ..., allow_backends: _Optional[_Iterable[str]] = ..., deny_backends: _Optional[_Iterable[str]] = ..., hedging: bool = ..., failover: bool = ..., session_id: _Optional[str] = ..., experiment_key: _Optional[str] = ..., on_break: _Optional[_Union[OnBreak, str]] = ..., priority: _Optional[_Union[Priority, str]] = ..., consistency: _Optional[_Union[Consistency, str]] = ..., task: _Optional[str] = ..., complexity: _Optional[str] = ..., may_drop: _Optional[_Iterable[str]] = ..., max_extra_cost_nano_usd: _Optional[int] = ...) -> None: ...

class Requirements(_message.Message):
    __slots__ = ("capabilities", "regions", "data_policies", "max_cost_nano_usd", "max_first_token", "min_context_tokens")
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    DATA_POLICIES_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    MAX_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MIN_CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    regions: _containers.RepeatedScalarFieldContainer[str]
    data_policies: _containers.RepeatedScalarFieldContainer[str]
    max_cost_nano_usd: int
    max_first_token: _duration_pb2.Duration
    min_context_tokens: int
    def __init__(self, capabilities: _Optional[_Iterable[str]] = ..., regions: _Optional[_Iterable[str]] = ..., data_policies: _Optional[_Iterable[str]] = ..., max_cost_nano_usd: _Optional[int] = ..., max_first_token: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., min_context_tokens: _Optional[int] = ...) -> None: ...

class Preferences(_message.Message):
    __slots__ = ("objective", "backends", "regions", "target_cost_nano_usd", "target_first_token")
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    TARGET_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    objective: Objective
    backends: _containers.RepeatedScalarFieldContainer[str]
    regions: _containers.RepeatedScalarFieldContainer[str]
    target_cost_nano_usd: int
    target_first_token: _duration_pb2.Duration
    def __init__(self, objective: _Optional[_Union[Objective, str]] = ..., backends: _Optional[_Iterable[str]] = ..., regions: _Optional[_Iterable[str]] = ..., target_cost_nano_usd: _Optional[int] = ..., target_first_token: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...
