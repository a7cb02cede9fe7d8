"""Leukemic cells in blood-smear images: detection, counting, comparison. Research use only."""
