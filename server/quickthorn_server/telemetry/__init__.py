"""What the outside is told.  Deleting this folder leaves a working, silent server."""
