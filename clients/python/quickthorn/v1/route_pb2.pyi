from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRoutesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRoutesResponse(_message.Message):
    __slots__ = ("routes", "config_version")
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    routes: _containers.RepeatedCompositeFieldContainer[RouteInfo]
    config_version: str
    def __init__(self, routes: _Optional[_Iterable[_Union[RouteInfo, _Mapping]]] = ..., config_version: _Optional[str] = ...) -> None: ...

class RouteInfo(_message.Message):
    __slots__ = ("name", "is_default", "strategy", "capabilities", "max_context_tokens", "hedging", "model_ids", "embedding_space")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    HEDGING_FIELD_NUMBER: _ClassVar[int]
    MODEL_IDS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_SPACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    is_default: bool
    strategy: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    max_context_tokens: int
    hedging: bool
    model_ids: _containers.RepeatedScalarFieldContainer[str]
    embedding_space: str
    def __init__(self, name: _Optional[str] = ..., is_default: bool = ..., strategy: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., max_context_tokens: _Optional[int] = ..., hedging: bool = ..., model_ids: _Optional[_Iterable[str]] = ..., embedding_space: _Optional[str] = ...) -> None: ...
