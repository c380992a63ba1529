#!/bin/sh
# Call a server on 127.0.0.1:50051 with tools that know nothing of Quickthorn: reflection tells them its contract.
set -eu

# begin install
go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
go install github.com/grpc-ecosystem/grpc-health-probe@v0.4.42
go install github.com/bojand/ghz/cmd/ghz@v0.120.0
# end install

ASK='{"messages": [{"role": "ROLE_USER", "parts": [{"text": "Why is rain wet?"}]}]}'

# begin call
grpcurl -plaintext 127.0.0.1:50051 list
grpcurl -plaintext 127.0.0.1:50051 describe quickthorn.v1.Routing.Complete
grpcurl -plaintext -d "$ASK" 127.0.0.1:50051 quickthorn.v1.Routing/StreamComplete
buf curl --http2-prior-knowledge --protocol grpc -d "$ASK" http://127.0.0.1:50051/quickthorn.v1.Routing/Complete
grpc-health-probe -addr 127.0.0.1:50051 -service route/default
ghz --insecure --call quickthorn.v1.Routing/Complete -d "$ASK" -n 50 -c 5 127.0.0.1:50051
# end call
