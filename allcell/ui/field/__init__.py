"""Pictures in memory for all pages, and what shows a field and its cells."""
