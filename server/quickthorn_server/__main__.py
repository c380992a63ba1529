"""`python -m quickthorn_server` is `quickthorn`."""

from quickthorn_server.cli import main

main(prog_name="quickthorn")
