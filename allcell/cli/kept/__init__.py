"""The commands for what users keep."""
