"""The Detect page."""
