from quickthorn.v1 import completion_pb2 as _completion_pb2
from quickthorn.v1 import embedding_pb2 as _embedding_pb2
from quickthorn.v1 import events_pb2 as _events_pb2
from quickthorn.v1 import explanation_pb2 as _explanation_pb2
from quickthorn.v1 import feedback_pb2 as _feedback_pb2
from quickthorn.v1 import route_pb2 as _route_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
