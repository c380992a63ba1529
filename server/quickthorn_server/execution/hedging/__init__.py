"""When silence is answered with another lane: learned from what lanes took, on-line."""
