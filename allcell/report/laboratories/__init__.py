"""The cross-laboratory table: how well models do where they have never been."""
