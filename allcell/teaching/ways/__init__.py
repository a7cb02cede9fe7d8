"""The ways of teaching: all layers with torch, or the last step of the network without it."""
