"""Leukemic cells in blood-smear images: detection, counting, comparison. Research use only."""

from allcell import offline as offline  # before any library that could call home is imported
