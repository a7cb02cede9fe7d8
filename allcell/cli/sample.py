"""`sample`: rendered smears as files, for users who have no picture at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import typer

from allcell.cli.base import app, check_target, explained, say
from allcell.data.synthetic import LABELLED, UPLOAD, write_laboratory
from allcell.errors import DataError
from allcell.imaging.images import encode_png
from allcell.models.registry import TRAINED_CLASSES
from allcell.synth.field import render
from allcell.synth.samples import EXAMPLE, SEPIA, TAUGHT, TESTED, samples
from allcell.synth.scan import SmearSpec, write_slide

_SPECS = {"example": EXAMPLE, **{sample.name: sample.spec for sample in samples()}}
_LABORATORIES = {SEPIA.name: SEPIA}


@app.command("sample")
@explained
def write_sample(
    target: Path | None = typer.Argument(
        None, help="PNG file to write; with --laboratory, a folder."
    ),
    name: str = typer.Option("example", help=f"Which one: {', '.join(_SPECS)}."),
    laboratory: str = typer.Option(
        "",
        help="Instead, the fields of a laboratory that no model knows, to try `teach` with: "
        f"{', '.join(_LABORATORIES)}.",
    ),
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
    force: bool = typer.Option(False, "--force", help="Overwrite existing files."),
) -> None:
    """Render a synthetic smear: a field for a first try or of Detect's, a slide, a laboratory."""
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
    if laboratory:
        _write_laboratory(target, laboratory, force=force)
        return
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


def _write_laboratory(target: Path, name: str, *, force: bool) -> None:
    if name not in _LABORATORIES:
        raise DataError(
            f"There is no laboratory {name!r}.", f"Choose one of: {', '.join(_LABORATORIES)}."
        )
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not force)):
        raise DataError(
            f"{target} already exists.", "Name a new or an empty folder, or add --force."
        )
    write_laboratory(target, _LABORATORIES[name])
    say(f"{target / UPLOAD}: {TAUGHT} fields to review, synthetic, without labels.")
    say(f"{target / LABELLED}: the same with their labels (train), and {TESTED} others (test).")
