"""Words and names, made fit for where they stand."""
