"""Procedural blood smears with exact ground truth: samples, tests, the virtual microscope."""

from allcell.synth.camera import expose
from allcell.synth.cells import render_cell
from allcell.synth.field import random_spec, render
from allcell.synth.samples import Sample, samples
from allcell.synth.slide import Slide, SyntheticField
from allcell.synth.spec import Camera, Dyes, FieldSpec, Kind, Stain

__all__ = [
    "Camera",
    "Dyes",
    "FieldSpec",
    "Kind",
    "Sample",
    "Slide",
    "Stain",
    "SyntheticField",
    "expose",
    "random_spec",
    "render",
    "render_cell",
    "samples",
]
