"""Which runtime runs a model on this CPU: measured once, among those that see the same cells."""
