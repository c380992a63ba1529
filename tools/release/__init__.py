"""Releases, tried before they are made: a module per language, named after its folder below `clients`.

Each has `NEEDS`, the commands that must be on the path, and runs by itself, `python -m tools.release.<language>`: it
builds the package, installs it into an empty project, makes a call with it, and ends with the line `<language>: ok`.
"""
