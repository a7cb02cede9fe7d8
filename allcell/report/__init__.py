"""Results as people take them away: exports, archives, model cards."""
