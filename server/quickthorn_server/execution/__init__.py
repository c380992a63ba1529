"""Carry out a plan: race lanes, report how each one ended.  Knows neither gRPC nor any wire format."""
