from quickthorn.v1 import content_pb2 as _content_pb2
from quickthorn.v1 import directives_pb2 as _directives_pb2
from quickthorn.v1 import trace_pb2 as _trace_pb2
from quickthorn.v1 import usage_pb2 as _usage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EmbeddingInputType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EMBEDDING_INPUT_TYPE_UNSPECIFIED: _ClassVar[EmbeddingInputType]
    EMBEDDING_INPUT_TYPE_QUERY: _ClassVar[EmbeddingInputType]
    EMBEDDING_INPUT_TYPE_DOCUMENT: _ClassVar[EmbeddingInputType]
    EMBEDDING_INPUT_TYPE_CLASSIFICATION: _ClassVar[EmbeddingInputType]
    EMBEDDING_INPUT_TYPE_CLUSTERING: _ClassVar[EmbeddingInputType]
    EMBEDDING_INPUT_TYPE_SIMILARITY: _ClassVar[EmbeddingInputType]
EMBEDDING_INPUT_TYPE_UNSPECIFIED: EmbeddingInputType
EMBEDDING_INPUT_TYPE_QUERY: EmbeddingInputType
EMBEDDING_INPUT_TYPE_DOCUMENT: EmbeddingInputType
EMBEDDING_INPUT_TYPE_CLASSIFICATION: EmbeddingInputType
EMBEDDING_INPUT_TYPE_CLUSTERING: EmbeddingInputType
EMBEDDING_INPUT_TYPE_SIMILARITY: EmbeddingInputType

class EmbeddingInput(_message.Message):
    __slots__ = ("text", "image", "token_ids")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    text: str
    image: _content_pb2.Media
    token_ids: TokenIds
    def __init__(self, text: _Optional[str] = ..., image: _Optional[_Union[_content_pb2.Media, _Mapping]] = ..., token_ids: _Optional[_Union[TokenIds, _Mapping]] = ...) -> None: ...

class TokenIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ...) -> None: ...

class EmbedRequest(_message.Message):
    __slots__ = ("route", "inputs", "input_type", "dimensions", "directives", "requirements", "provider_options_json", "labels", "request_id")
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
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    DIRECTIVES_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    route: str
    inputs: _containers.RepeatedCompositeFieldContainer[EmbeddingInput]
    input_type: EmbeddingInputType
    dimensions: int
    directives: _directives_pb2.Directives
    requirements: _directives_pb2.Requirements
    provider_options_json: _containers.ScalarMap[str, str]
    labels: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, route: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[EmbeddingInput, _Mapping]]] = ..., input_type: _Optional[_Union[EmbeddingInputType, str]] = ..., dimensions: _Optional[int] = ..., directives: _Optional[_Union[_directives_pb2.Directives, _Mapping]] = ..., requirements: _Optional[_Union[_directives_pb2.Requirements, _Mapping]] = ..., provider_options_json: _Optional[_Mapping[str, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("values", "truncated")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    truncated: bool
    def __init__(self, values: _Optional[_Iterable[float]] = ..., truncated: bool = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("id", "request_id", "embeddings", "embedding_space", "usage", "cost_nano_usd", "trace")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_SPACE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    embeddings: _containers.RepeatedCompositeFieldContainer[Embedding]
    embedding_space: str
    usage: _usage_pb2.Usage
    cost_nano_usd: int
    trace: _trace_pb2.RouteTrace
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ..., embeddings: _Optional[_Iterable[_Union[Embedding, _Mapping]]] = ..., embedding_space: _Optional[str] = ..., usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., cost_nano_usd: _Optional[int] = ..., trace: _Optional[_Union[_trace_pb2.RouteTrace, _Mapping]] = ...) -> None: ...
