"""Code for each wire format, and the only outbound I/O.  Knows core, and nothing of routing or execution."""
