"""Datasets: importing them, reading them, and our own annotations."""
