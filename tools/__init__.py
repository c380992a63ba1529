"""Programs for those who work on Quickthorn."""
