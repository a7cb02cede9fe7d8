"""Results as files and texts: exports, archives, model cards, tables."""
