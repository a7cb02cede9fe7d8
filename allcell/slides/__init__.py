"""Slides: pictures too large to hold in memory, read part by part and at several sizes."""
