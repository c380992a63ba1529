"""Choose whom to ask, and in what order.  Pure: no clock, no network, no state."""
