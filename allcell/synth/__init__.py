"""Procedural blood smears with exact ground truth: samples, tests, the virtual microscope."""

from allcell.synth.camera import expose
from allcell.synth.cells import render_cell
from allcell.synth.field import random_spec, render
from allcell.synth.samples import Sample, samples
from allcell.synth.scan import SmearSpec, WrittenSlide, render_slide, write_slide
from allcell.synth.slide import SyntheticField, SyntheticSlide
from allcell.synth.spec import Camera, Dyes, FieldSpec, Kind, Stain

__all__ = [
    "Camera",
    "Dyes",
    "FieldSpec",
    "Kind",
    "Sample",
    "SmearSpec",
    "Stain",
    "SyntheticField",
    "SyntheticSlide",
    "WrittenSlide",
    "expose",
    "random_spec",
    "render",
    "render_cell",
    "render_slide",
    "samples",
    "write_slide",
]
