"""Configuration: the only reader of files and environment.  YAML goes in, a frozen catalogue comes out."""

from quickthorn_server.config.check import warnings
from quickthorn_server.config.errors import ConfigError, Problem
from quickthorn_server.config.load import default_catalogue, load, parse, starter
from quickthorn_server.config.schema import json_schema

__all__ = ["ConfigError", "Problem", "default_catalogue", "json_schema", "load", "parse", "starter", "warnings"]
