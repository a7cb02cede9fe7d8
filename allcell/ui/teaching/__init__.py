"""Teach this laboratory: fields, the run and its result, for Review and for a set of one's own."""
