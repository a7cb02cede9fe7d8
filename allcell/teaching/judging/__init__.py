"""Whether a taught model is better: held-out fields, before and after, what more would bring."""
