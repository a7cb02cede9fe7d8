"""`sweep`: a whole slide in the background, its cells into files and a case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from allcell.cli.base import (
    DEVICE_HELP,
    app,
    check_target,
    default_device,
    default_model,
    explained,
    given_diameter,
    say,
)
from allcell.errors import DataError, SweepError

if TYPE_CHECKING:
    from allcell.runs.sweeping.found import FoundBySweep
    from allcell.runs.sweeping.work import SlideSweep, SweepState

_KINDS = (".geojson", ".csv", ".parquet")
_NAMED = ", ".join(_KINDS)


@app.command()
@explained
def sweep(
    slide: Path = typer.Argument(..., help="The slide."),
    model: str = typer.Option(default_model, help="The model."),
    cells: int | None = typer.Option(
        None, min=1, help="End after so many white cells; at the end of the slide if left out."
    ),
    everything: bool = typer.Option(
        False, help="All of the slide, not only the part that is fit for counting."
    ),
    case: str = typer.Option("", help="Keep the fields with cells as a case of this label."),
    out: list[Path] = typer.Option([], help=f"Write the cells to a file: {_NAMED}."),
    confidence: float | None = typer.Option(
        None, min=0.01, max=1, help="Lowest confidence of a cell; the model's own if left out."
    ),
    red_cell_px: float | None = typer.Option(
        None, help="Diameter of a red cell in pixels of the finest level; measured if left out."
    ),
    device: str = typer.Option(default_device, help=DEVICE_HELP),
    insist: bool = typer.Option(
        False, "--insist", help="Count also what is not to be trusted, marked as such."
    ),
    measure: int | None = typer.Option(
        None, min=1, help="Keep nothing: measure the speed on so many regions."
    ),
) -> None:
    """Find the white cells of a whole slide. Run the same command again to go on after a stop."""
    # Imported here: databases and OpenSlide would delay all other commands.
    from allcell.runs.sweeping.work import SweepRequest, begin, slide_key

    red_cell_px = given_diameter(red_cell_px)
    for path in out:
        if path.suffix.lower() not in _KINDS:
            raise DataError(
                f"{path.name} is of no kind that cells are written to.",
                f"Name a file that ends in {_NAMED}.",
            )
        check_target(path, "--out")
    if measure is not None:
        _measure(slide, model, device, measure)
        return
    request = SweepRequest(
        str(slide.resolve()),
        slide_key(slide),
        model,
        cells,
        "everything" if everything else "monolayer",
        confidence,
        red_cell_px,
        device,
        case,
        by="command line",
        insist=insist,
    )
    begun = begin(request)
    begun.start()
    try:
        state = _follow(begun)
    except KeyboardInterrupt:
        begun.pause()
        for _ in begun.follow():
            pass
        say("The same command goes on where it was.")
        raise
    if state.status == "failed":
        raise SweepError(state.message, state.remedy)
    if state.status != "done":
        raise SweepError(f"The sweep was {state.status}.", "The same command goes on where it was.")
    _finish(begun, state, slide, out)


def _follow(begun: SlideSweep) -> SweepState:
    """Say how far it is, until it ends."""
    state = begun.state
    said, tenth = "", 0
    for state in begun.follow():
        now = int(state.progress * 10)
        if state.stage and (state.stage != said or now > tenth):
            say(f"{state.progress:4.0%} {state.stage}, {state.white_cells:,} white cells")
        said, tenth = state.stage, now
    return state


def _finish(begun: SlideSweep, state: SweepState, path: Path, out: list[Path]) -> None:
    from allcell.runs.sweeping.found import read_found
    from allcell.slides.opening import open_slide

    for note in state.notes:
        say(note)
    slide = open_slide(path)
    try:
        found = read_found(begun, slide)
    finally:
        slide.close()
    if found is None:
        raise SweepError("This sweep found nothing to measure.", "Delete it, and begin again.")
    counts = found.seen.counts_of(found.seen.cells())
    share = counts.blast_share
    typer.echo(
        f"{state.regions:,} of {state.of:,} regions, {counts.white_cells or 0:,} white cells, "
        f"{counts.blasts or 0:,} suggested as blasts"
    )
    if share.fraction is not None:
        typer.echo(
            f"blasts: {share.fraction:.1%} of the white cells, exact 95 % interval "
            f"{share.low:.1%} to {share.high:.1%}"
        )
    for target in out:
        target.write_bytes(file_of(found, begun.request.key, target.suffix.lower()))
        say(f"wrote {target}")
    if state.case_id:
        typer.echo(f"case {state.case_id}")


def file_of(found: FoundBySweep, key: str, suffix: str) -> bytes:
    """The cells of a sweep as a file.

    Args:
        found: What it found.
        key: Which slide.
        suffix: One of .geojson, .csv and .parquet.
    """
    from allcell.report.slide import cells_of_sweep, slide_csv, slide_geojson, slide_parquet
    from allcell.review.labels import FIXED_LABELS
    from allcell.text.noticed import csv_file

    cells = cells_of_sweep(found.seen)
    colours = {label.name: label.colour for label in FIXED_LABELS}
    makers: dict[str, Callable[[], bytes]] = {
        ".geojson": lambda: slide_geojson(
            key, cells, colours, "Suggestions of a model, reviewed by nobody."
        ).encode(),
        ".csv": lambda: csv_file(slide_csv(cells, found.made)),
        ".parquet": lambda: slide_parquet(cells, found.made),
    }
    return makers[suffix]()


def _measure(path: Path, model: str, device: str, count: int) -> None:
    from allcell.own.opening import open_model
    from allcell.runs.sweeping.speed import sweep_speed

    speed = sweep_speed(path, open_model(model, device=device), count)
    width, height = speed.input_px
    typer.echo(
        f"{speed.regions} regions of {width}x{height} px: sweep {speed.sweep_per_s:.2f} a second, "
        f"bare engine {speed.bare_per_s:.2f}, {speed.share:.0%}; "
        f"{speed.empty_share:.0%} of the slide is empty and was skipped"
    )
