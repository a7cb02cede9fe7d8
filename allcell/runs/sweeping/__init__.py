"""Sweeps of slides in the background: begun, followed, stopped, resumed, and put into a case."""
