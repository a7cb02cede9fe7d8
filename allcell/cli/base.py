"""What all commands share: the application, its messages and its exit codes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer

from allcell.errors import AllcellError

P = ParamSpec("P")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find leukemic cells in blood smears. For Research Use Only.",
)
data_app = typer.Typer(no_args_is_help=True, help="Make and check datasets.")
app.add_typer(data_app, name="data")


@app.callback()
def _set_up(verbose: bool = typer.Option(False, "--verbose", help="Log progress.")) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(message)s", stream=sys.stderr
    )


def say(message: str) -> None:
    """Print a message on stderr: stdout is for results."""
    typer.echo(message, err=True)


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """Make a command's expected errors print their message and exit with code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (AllcellError, OSError) as error:
            say(f"error: {error}")
            raise typer.Exit(1) from error

    return run
