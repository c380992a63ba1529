"""The gRPC surface: the only place that knows protobuf and gRPC.  Decides nothing about backends."""
