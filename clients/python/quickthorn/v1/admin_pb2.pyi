from google.protobuf import timestamp_pb2 as _timestamp_pb2
from quickthorn.v1 import backend_pb2 as _backend_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LogLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_LEVEL_UNSPECIFIED: _ClassVar[LogLevel]
    LOG_LEVEL_DEBUG: _ClassVar[LogLevel]
    LOG_LEVEL_INFO: _ClassVar[LogLevel]
    LOG_LEVEL_WARNING: _ClassVar[LogLevel]
    LOG_LEVEL_ERROR: _ClassVar[LogLevel]
LOG_LEVEL_UNSPECIFIED: LogLevel
LOG_LEVEL_DEBUG: LogLevel
LOG_LEVEL_INFO: LogLevel
LOG_LEVEL_WARNING: LogLevel
LOG_LEVEL_ERROR: LogLevel

class ListBackendsRequest(_message.Message):
    __slots__ = ("route",)
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    route: str
    def __init__(self, route: _Optional[str] = ...) -> None: ...

class ListBackendsResponse(_message.Message):
    __slots__ = ("backends", "config_version")
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    backends: _containers.RepeatedCompositeFieldContainer[_backend_pb2.BackendInfo]
    config_version: str
    def __init__(self, backends: _Optional[_Iterable[_Union[_backend_pb2.BackendInfo, _Mapping]]] = ..., config_version: _Optional[str] = ...) -> None: ...

class SetBackendStateRequest(_message.Message):
    __slots__ = ("backend", "state")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    backend: str
    state: _backend_pb2.BackendState
    def __init__(self, backend: _Optional[str] = ..., state: _Optional[_Union[_backend_pb2.BackendState, str]] = ...) -> None: ...

class SetBackendStateResponse(_message.Message):
    __slots__ = ("backend",)
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    backend: _backend_pb2.BackendInfo
    def __init__(self, backend: _Optional[_Union[_backend_pb2.BackendInfo, _Mapping]] = ...) -> None: ...

class ResetBackendRequest(_message.Message):
    __slots__ = ("backend",)
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    backend: str
    def __init__(self, backend: _Optional[str] = ...) -> None: ...

class ResetBackendResponse(_message.Message):
    __slots__ = ("backend",)
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    backend: _backend_pb2.BackendInfo
    def __init__(self, backend: _Optional[_Union[_backend_pb2.BackendInfo, _Mapping]] = ...) -> None: ...

class SetWeightsRequest(_message.Message):
    __slots__ = ("route", "weights")
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    route: str
    weights: _containers.ScalarMap[str, int]
    def __init__(self, route: _Optional[str] = ..., weights: _Optional[_Mapping[str, int]] = ...) -> None: ...

class SetWeightsResponse(_message.Message):
    __slots__ = ("weights",)
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.ScalarMap[str, int]
    def __init__(self, weights: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ReloadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadResponse(_message.Message):
    __slots__ = ("config_version", "changed")
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    config_version: str
    changed: bool
    def __init__(self, config_version: _Optional[str] = ..., changed: bool = ...) -> None: ...

class SetLogLevelRequest(_message.Message):
    __slots__ = ("level",)
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    level: LogLevel
    def __init__(self, level: _Optional[_Union[LogLevel, str]] = ...) -> None: ...

class SetLogLevelResponse(_message.Message):
    __slots__ = ("level",)
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    level: LogLevel
    def __init__(self, level: _Optional[_Union[LogLevel, str]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("backends",)
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    backends: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, backends: _Optional[_Iterable[str]] = ...) -> None: ...

class AdminEvent(_message.Message):
    __slots__ = ("at", "snapshot", "circuit_changed", "backend_state_changed", "weights_changed", "config_reloaded", "config_rejected", "lagged")
    AT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_CHANGED_FIELD_NUMBER: _ClassVar[int]
    BACKEND_STATE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    CONFIG_RELOADED_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REJECTED_FIELD_NUMBER: _ClassVar[int]
    LAGGED_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    snapshot: AdminSnapshot
    circuit_changed: CircuitChanged
    backend_state_changed: BackendStateChanged
    weights_changed: WeightsChanged
    config_reloaded: ConfigReloaded
    config_rejected: ConfigRejected
    lagged: WatchLagged
    def __init__(self, at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., snapshot: _Optional[_Union[AdminSnapshot, _Mapping]] = ..., circuit_changed: _Optional[_Union[CircuitChanged, _Mapping]] = ..., backend_state_changed: _Optional[_Union[BackendStateChanged, _Mapping]] = ..., weights_changed: _Optional[_Union[WeightsChanged, _Mapping]] = ..., config_reloaded: _Optional[_Union[ConfigReloaded, _Mapping]] = ..., config_rejected: _Optional[_Union[ConfigRejected, _Mapping]] = ..., lagged: _Optional[_Union[WatchLagged, _Mapping]] = ...) -> None: ...

class AdminSnapshot(_message.Message):
    __slots__ = ("backends", "config_version")
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    backends: _containers.RepeatedCompositeFieldContainer[_backend_pb2.BackendInfo]
    config_version: str
    def __init__(self, backends: _Optional[_Iterable[_Union[_backend_pb2.BackendInfo, _Mapping]]] = ..., config_version: _Optional[str] = ...) -> None: ...

class CircuitChanged(_message.Message):
    __slots__ = ("backend", "before", "after", "reason")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    backend: str
    before: _backend_pb2.CircuitState
    after: _backend_pb2.CircuitState
    reason: str
    def __init__(self, backend: _Optional[str] = ..., before: _Optional[_Union[_backend_pb2.CircuitState, str]] = ..., after: _Optional[_Union[_backend_pb2.CircuitState, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class BackendStateChanged(_message.Message):
    __slots__ = ("backend", "before", "after")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    backend: str
    before: _backend_pb2.BackendState
    after: _backend_pb2.BackendState
    def __init__(self, backend: _Optional[str] = ..., before: _Optional[_Union[_backend_pb2.BackendState, str]] = ..., after: _Optional[_Union[_backend_pb2.BackendState, str]] = ...) -> None: ...

class WeightsChanged(_message.Message):
    __slots__ = ("route", "weights")
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    route: str
    weights: _containers.ScalarMap[str, int]
    def __init__(self, route: _Optional[str] = ..., weights: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ConfigReloaded(_message.Message):
    __slots__ = ("config_version",)
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    config_version: str
    def __init__(self, config_version: _Optional[str] = ...) -> None: ...

class ConfigRejected(_message.Message):
    __slots__ = ("config_version", "errors")
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    config_version: str
    errors: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, config_version: _Optional[str] = ..., errors: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchLagged(_message.Message):
    __slots__ = ("dropped",)
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: int
    def __init__(self, dropped: _Optional[int] = ...) -> None: ...
