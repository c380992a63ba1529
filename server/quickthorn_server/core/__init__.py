"""The vocabulary every other part speaks: values, failures, protocols.  Imports nothing of ours."""
