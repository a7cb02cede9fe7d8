"""`sample`: a rendered smear as a file, for users who have no picture at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import typer

from allcell.cli.base import app, check_target, explained, say
from allcell.errors import DataError
from allcell.imaging.images import encode_png
from allcell.models.registry import TRAINED_CLASSES
from allcell.synth.field import render
from allcell.synth.samples import EXAMPLE, samples
from allcell.synth.scan import SmearSpec, write_slide

_SPECS = {"example": EXAMPLE, **{sample.name: sample.spec for sample in samples()}}


@app.command("sample")
@explained
def write_sample(
    target: Path | None = typer.Argument(None, help="PNG file to write."),
    name: str = typer.Option("example", help=f"Which one: {', '.join(_SPECS)}."),
    slide: Path | None = typer.Option(
        None, "--slide", help="Write a whole slide instead: a pyramidal TIFF file."
    ),
    size: tuple[int, int] = typer.Option(
        (60_000, 40_000), help="Width and height of the slide, 512 to 60,000 pixels each."
    ),
    seed: int = typer.Option(0, min=0, help="Another number, another slide."),
    truth: Path | None = typer.Option(
        None, "--truth", help="JSON file to write with the white cells of the slide."
    ),
    force: bool = typer.Option(False, "--force", help="Overwrite an existing file."),
) -> None:
    """Render a synthetic smear: a small field for a first try, one of Detect's, or a slide."""
    if slide is not None:
        if target is not None:
            raise DataError(
                f"{target} is a field and {slide} a slide.", "Ask for one of them at a time."
            )
        _write_slide(slide, size, seed, truth, force=force)
        return
    if target is None or truth is not None:
        raise DataError(
            "No file was named." if target is None else "--truth belongs to a slide.",
            "Name a PNG file, or a TIFF file with --slide.",
        )
    if name not in _SPECS:
        raise DataError(f"There is no sample {name!r}.", f"Choose one of: {', '.join(_SPECS)}.")
    if target.exists() and not force:
        raise DataError(f"{target} already exists.", "Choose another name, or add --force.")
    spec = _SPECS[name]
    target.write_bytes(encode_png(render(spec).image))
    cells = ", ".join(f"{n} {kind.value}s" for kind, n in spec.counts().items() if n)
    say(f"{target}: {spec.width_px}x{spec.height_px} px, synthetic: {cells}.")


def _write_slide(
    path: Path, size: tuple[int, int], seed: int, truth: Path | None, *, force: bool
) -> None:
    for file, option in ((path, "--slide"), (truth, "--truth")):
        if file is not None:
            check_target(file, option)
            if file.exists() and not force:
                raise DataError(f"{file} already exists.", "Choose another name, or add --force.")
    try:
        spec = SmearSpec(*size, seed=seed)
    except ValueError as error:
        raise DataError(f"{error}.", "Choose another --size or --seed.") from error
    told = 0

    def tell(part: float) -> None:
        nonlocal told
        if part >= (told + 1) / 4:
            told = int(4 * part)
            say(f"{part:.0%} painted")

    written = write_slide(path, spec, tell)
    if truth is not None:
        cells = [
            {"box": [float(edge) for edge in box], "class": TRAINED_CLASSES[int(class_id)]}
            for box, class_id in zip(written.truth.xyxy, written.truth.class_id, strict=True)
        ]
        parts = [{"left": a, "right": b, "part": part.value} for a, b, part in spec.stretches()]
        about = {"size_px": size, "mpp": spec.mpp, "parts": parts, "cells": cells}
        truth.write_text(json.dumps(about), encoding="utf-8")
    counts = np.bincount(written.truth.class_id, minlength=len(TRAINED_CLASSES))
    named = ", ".join(f"{n:,} {name}" for n, name in zip(counts, TRAINED_CLASSES, strict=True))
    say(
        f"{path}: {size[0]}x{size[1]} px, {path.stat().st_size / 1e6:.1f} MB, synthetic, "
        f"{spec.mpp:.2f} um a pixel: {named}."
    )
