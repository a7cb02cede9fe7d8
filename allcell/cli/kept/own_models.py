"""What the commands of `models` do with own-laboratory models."""

from __future__ import annotations

from pathlib import Path

import typer

from allcell.cli.base import say
from allcell.own.access import EVERYONE
from allcell.own.card_file import card_json
from allcell.own.shelf import shelf
from allcell.own.transfer import export_model, import_model
from allcell.own.words import before_after, facts
from allcell.settings import RESEARCH_USE


def info(name: str, *, as_json: bool) -> None:
    """Show the card of a model: what it was made from, before and after."""
    model = shelf().get(name)
    card = model.card
    if as_json:
        typer.echo(card_json(card).rstrip())
        return
    typer.echo(f"{card.name}, {card.note}")
    for what, said in facts(model).items():
        typer.echo(f"  {what}: {said}")
    rows = before_after(card)
    for what, before, after in rows:
        typer.echo(f"  {what}: {before} before, {after} after")
    if not rows:
        typer.echo("  not compared with its parent: no field could be held out")
    if card.verdict:
        typer.echo(f"  {card.verdict}")
    model.onnx()
    say(RESEARCH_USE)


def export(name: str, target: Path) -> None:
    """Write a model to one file."""
    model = shelf().get(name)
    size = export_model(model, target)
    say(f"{target}: {size:,} bytes, {model.card.name}. {RESEARCH_USE}")


def take_in(file: Path, name: str) -> None:
    """Add an exported model."""
    say(f"trying the network of {file.name} in a process of its own")
    model = import_model(shelf(), file, name=name)
    say(f"{model.card.name} is there: use it with --model {model.card.id}")
    typer.echo(model.card.id)


def rename(name: str, new: str) -> None:
    """Give a model another name."""
    model = shelf().rename(name, new)
    say(f"{model.card.id} is called {model.card.name} now.")


def give(name: str, person: str, *, everyone: bool) -> None:
    """Let someone own a model, or everybody use it."""
    model = shelf().give(shelf().get(name).card.id, EVERYONE if everyone else person)
    whose = "for everybody" if everyone else f"that of {person}"
    say(f"{model.card.name} is {whose} now.")


def delete(name: str, *, yes: bool) -> None:
    """Delete a model for good."""
    kept = shelf()
    damaged = name in (one.id for one in kept.damaged())
    model_id = name if damaged else shelf().get(name).card.id
    if not yes:
        typer.confirm(f"Delete {name} for good?", abort=True)
    kept.delete(model_id)
    say(f"{model_id} is deleted. Backups and exported files are not reached.")
