"""Rendered whole slides: a mosaic of painted blocks that fit each other on every side."""

from allcell.synth.scan.mosaic import render_slide
from allcell.synth.scan.smear import Part, SmearSpec
from allcell.synth.scan.writing import WrittenSlide, write_slide

__all__ = ["Part", "SmearSpec", "WrittenSlide", "render_slide", "write_slide"]
