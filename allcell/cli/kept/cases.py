"""`cases`: what is kept, on the command line: list, show, export, import, verify, delete."""

from __future__ import annotations

from pathlib import Path

import typer

from allcell.cli.base import app, explained

cases_app = typer.Typer(no_args_is_help=True, help="Cases that were kept.")
app.add_typer(cases_app, name="cases")

#: What `--as` takes.
FILES = ("zip", "pdf", "cells-csv", "counts-csv", "coco", "fhir", "json")
#: What `--role` takes.
ROLES = ("owner", "reviewer", "reader", "none")
_CASE = typer.Argument(..., metavar="CASE", help="Its number; the first digits are enough.")

# `work` is imported when a command runs: databases and PDF would delay all other commands.


@cases_app.command("list")
@explained
def list_all(
    search: str = typer.Option("", help="Part of a label, a case's number or a picture's hash."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object per line."),
) -> None:
    """List the cases, the one that was saved last first."""
    from allcell.cli.kept import work

    work.list_all(search, as_json=as_json)


@cases_app.command()
@explained
def show(
    case: str = _CASE,
    trail: bool = typer.Option(False, "--trail", help="What happened to it, an entry a line."),
) -> None:
    """Show a case: its counts before and after review, its fields and signatures."""
    from allcell.cli.kept import work

    work.show(case, trail=trail)


@cases_app.command()
@explained
def export(
    case: str = _CASE,
    target: Path = typer.Argument(..., help="The file to write."),
    what: str = typer.Option("zip", "--as", help=", ".join(FILES)),
    label: bool = typer.Option(True, help="Whether the files have the label of the case."),
) -> None:
    """Write a case to a file: all of it as a ZIP, or one kind of file."""
    if what not in FILES:
        raise typer.BadParameter(f"--as is {', '.join(FILES)}; got {what!r}")
    from allcell.cli.kept import work

    work.export(case, target, what, label=label)


@cases_app.command("import")
@explained
def keep_again(
    file: Path = typer.Argument(..., help="A ZIP that `cases export` or the app wrote."),
) -> None:
    """Keep a case that was exported, as a new one. Signatures stay with the exported file."""
    from allcell.cli.kept import work

    work.keep_again(file)


@cases_app.command()
@explained
def verify(
    expect: str = typer.Option(
        "", help="Hash of an entry of the trail that was noted earlier, as on a signed report."
    ),
    pictures: bool = typer.Option(True, help="Whether to read every picture, too."),
) -> None:
    """Check that nothing was changed behind the audit trail. Exit code 1 if something was."""
    from allcell.cli.kept import work

    work.verify_all(expect, pictures=pictures)


@cases_app.command()
@explained
def delete(
    case: str = _CASE,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
) -> None:
    """Delete a case for good: rows, pictures, and what they leave in the files."""
    from allcell.cli.kept import work

    work.delete(case, yes=yes)


@cases_app.command()
@explained
def give(
    case: str = _CASE,
    person: str = typer.Argument(..., help="As their login says."),
    role: str = typer.Option("owner", help=", ".join(ROLES)),
) -> None:
    """Let someone who logs in own, review or read a case."""
    if role not in ROLES:
        raise typer.BadParameter(f"--role is {', '.join(ROLES)}; got {role!r}")
    from allcell.cli.kept import work

    work.give(case, person, role)


@cases_app.command()
@explained
def place() -> None:
    """Say where the cases and their pictures are."""
    from allcell.cli.kept import work

    work.place()
