"""Decoders for each kind of picture file; everything else reads through `imaging.images`."""
