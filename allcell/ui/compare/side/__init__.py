"""Several models on one picture, side by side."""
