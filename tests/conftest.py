"""Settings of every test."""

from hypothesis import settings

# How long an example takes says how busy the machine is: figures by the wall clock belong to `make bench` alone.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
