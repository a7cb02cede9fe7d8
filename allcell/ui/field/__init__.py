"""Pictures in memory for all pages, and the widgets that show a field and its cells."""
