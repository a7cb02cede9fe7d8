"""Models evaluated on a labelled set of the user's own."""
