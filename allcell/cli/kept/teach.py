"""`teach`: from reviewed fields of one laboratory to a model of its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import typer

from allcell.cli.base import app, check_target, default_model, explained, say
from allcell.cli.labelled_set import read_set
from allcell.data.labelled_sets import LABEL_FORMATS
from allcell.engines.opening import has_torch
from allcell.errors import DataError, TeachingError
from allcell.models.registry import CLASSES
from allcell.teaching.material import Lesson, take_fields
from allcell.teaching.plan import USUAL_S, duration
from allcell.teaching.state import State
from allcell.teaching.work import Request, Teaching, begin
from allcell.text.words import in_words

_FORMATS = in_words([f"{known.name}'s" for known in LABEL_FORMATS])
_OURS = ", ".join(CLASSES)


@app.command()
@explained
def teach(
    data: Path = typer.Option(
        ..., help=f"The reviewed fields: a folder or ZIP in {_FORMATS} layout, as Review saves it."
    ),
    name: str = typer.Option(..., help="What the model is called."),
    parent: str = typer.Option(
        default_model,
        help="The model that is taught; also one of weights/left_out, for experiments.",
    ),
    split: str = typer.Option("train", help="Which part of the set, if it is divided."),
    mapping: list[str] = typer.Option(
        [], "--map", help=f"theirs=ours for each class, where ours is {_OURS}, ignore or empty."
    ),
    cases: Path | None = typer.Option(
        None, help="CSV with a line for each picture: its file name, its case or patient."
    ),
    known: Path | None = typer.Option(
        None,
        help="A labelled set of a laboratory that the parent knows: the card says how much of it "
        "is forgotten. It is not learned from.",
    ),
    known_split: str = typer.Option("val", help="Which part of that set, if it is divided."),
    take: int | None = typer.Option(
        None, min=1, help="Take so many fields at random, half of them with each class."
    ),
    seed: int = typer.Option(0, min=0, help="Of all that is random."),
    longest: float = typer.Option(
        USUAL_S / 60, min=0.1, help="Minutes that it should take at most."
    ),
    tiles: int | None = typer.Option(None, min=16, help="Length of the training, in tiles."),
    quick: bool = typer.Option(
        not has_torch(),
        "--quick/--full",
        help="Fit the last step of the network only, which takes seconds and needs no torch.",
        show_default="full where torch is installed",
    ),
    insist: bool = typer.Option(False, help="Make a model even if it is not better."),
    only_plan: bool = typer.Option(
        False, "--only-plan", help="Say how long it would take, and end."
    ),
    report: Path | None = typer.Option(None, "--json", help="Write the report to this file."),
) -> None:
    """Teach a model your laboratory; it is kept only if it finds more on fields it has not seen.

    Run the same command again to go on where it stopped.
    """
    if report:
        check_target(report, "--json")
    called, _, images, _ = read_set(data, split, mapping, to_teach=True)
    if take is not None:
        images = take_fields(images, take, seed)
    lesson = Lesson.of_set(called, images, _cases(cases) if cases else None)
    request = Request(
        name,
        parent,
        seed=seed,
        longest_s=longest * 60,
        tiles=tiles,
        insist=insist,
        quick=quick,
    )
    teaching = begin(lesson, request, known=_known(known, known_split) if known else None)
    for note in teaching.state.notes:
        say(note)
    teaching.start(only_plan=only_plan)
    try:
        state = _follow(teaching)
    except KeyboardInterrupt:
        teaching.stop()
        for _ in teaching.follow():
            pass
        say("The same command goes on where it was.")
        raise
    if state.status == "planned":
        typer.echo(state.plan)
        return
    if state.status == "failed":
        raise TeachingError(state.message, state.remedy)
    if state.status != "done":
        raise TeachingError(
            f"The teaching was {state.status}.", "The same command goes on where it was."
        )
    _finish(teaching, state, report)


def _known(data: Path, split: str) -> Lesson:
    called, part, images, _ = read_set(data, split, ())
    return Lesson.of_set(f"{called}, {part}", images)


def _follow(teaching: Teaching) -> State:
    """Say how far it is, until it ends."""
    state = teaching.state
    said, tenth = ("", ""), 0
    for state in teaching.follow():
        if state.plan and state.plan != said[0]:
            say(state.plan)
        now = int(state.progress * 10)
        if state.stage and (state.stage != said[1] or now > tenth):
            left = f", {duration(state.left_s)} left" if state.left_s else ""
            say(f"{state.progress:4.0%} {state.stage}{left}")
        said, tenth = (state.plan or said[0], state.stage), now
    return state


def _finish(teaching: Teaching, state: State, report: Path | None) -> None:
    content = teaching.report or {}
    typer.echo(state.verdict)
    for line in score_table(content):
        typer.echo(line)
    if state.model:
        typer.echo(f"The model is called {state.model}: use it with --model {state.model}.")
    if report:
        report.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        say(f"wrote {report}")
    teaching.delete()


def score_table(content: dict[str, Any]) -> list[str]:
    """The scores of a report, before and after, as lines of text.

    Args:
        content: See `allcell.teaching.work.Teaching.report`.
    """
    verdict = content["verdict"]
    lines = [f"{'':10}{'AP@0.5':>18}{'recall':>18}{'precision':>18}"]
    for kind in verdict["before"]["classes"]:
        pairs = [
            [verdict[side]["classes"][kind][score]["value"] for side in ("before", "after")]
            for score in ("ap", "recall", "precision")
        ]
        cells = (" -> ".join(map(_number, pair)) for pair in pairs)
        lines.append(f"{kind:10}" + "".join(f"{cell:>18}" for cell in cells))
    false = [verdict[side]["false_blasts_a_field"]["value"] for side in ("before", "after")]
    lines.append(f"false blasts a field: {_number(false[0])} -> {_number(false[1])}")
    for one in content.get("parents_laboratories", []):
        lines.append(
            f"{one['laboratory']}, {one['cell_class']}: AP@0.5 {_number(one['before'])} -> "
            f"{_number(one['after'])}"
        )
    return lines


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _cases(path: Path) -> dict[str, str]:
    """Case by the name of the picture's file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is not a CSV file ({error}).", "Save it as UTF-8.") from error
    wrong = next((n for n, row in enumerate(rows, 1) if len(row) < 2), None)
    if wrong is not None:
        raise DataError(
            f"{path.name}, line {wrong}: expected a file name and a case.",
            "Write them as picture.png,patient 1",
        )
    return {name.strip(): case.strip() for name, case, *_ in rows}
