"""Whether a still picture is a smear, good enough, and like those of the training."""

from allcell.imaging.familiarity.findings import Finding, FindingKind, judge

__all__ = ["Finding", "FindingKind", "judge"]
