"""The models that allcell knows, and their weight files."""
