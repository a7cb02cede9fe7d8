"""What all commands share: the application, its messages, its output and its exit codes."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, cast, get_args

import typer
from typer.core import TyperGroup

from allcell import __version__
from allcell.engines.opening import Runtime
from allcell.errors import AllcellError, DataError
from allcell.settings import settings

P = ParamSpec("P")

#: Exit codes of a Unix command that ended by Ctrl-C, or because nobody reads on: 128 + the signal.
STOPPED, UNREAD = 130, 141
DEVICE_HELP = "auto, cpu, cuda, intel-gpu or intel-npu."
RUNTIME_HELP = "auto, onnx, openvino or torch; auto is what was measured to be fastest on this CPU."


class _Closed(io.TextIOBase):
    """Stands for a stdout that was closed: Python has none then, and loses what is printed."""

    def write(self, text: str) -> int:
        """Raise, as writing to a full disk does."""
        raise OSError(errno.EBADF, "Standard output is closed, so the result cannot be written")


class _Commands(TyperGroup):
    """Refuses empty arguments: an empty path would be the folder that the command runs in."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        for before, given in zip(["", *args], args, strict=False):
            # `--map=rbc=` is not empty: it leaves a class out.
            empty = not given or (given.startswith("--") and given.find("=") == len(given) - 1)
            name = (given or (before if before.startswith("-") else "an argument")).rstrip("=")
            if empty and name != "--class":  # of a network's classes, "" is one to leave out
                raise typer.BadParameter(f"{name} is empty; give a name, or leave it out")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find leukemic cells in blood smears. For Research Use Only.",
)
data_app = typer.Typer(no_args_is_help=True, help="Make and check datasets.")
app.add_typer(data_app, name="data")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"allcell {__version__}")
        raise typer.Exit


@app.callback()
def _set_up(
    verbose: bool = typer.Option(False, "--verbose", help="Log progress."),
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and end."
    ),
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(message)s", stream=sys.stderr
    )
    try:
        settings()  # the options' defaults need them
    except AllcellError as error:
        say(f"error: {error}")
        raise typer.Exit(1) from error


def default_model() -> str:
    """The model of the settings: read when a command runs, not when it is defined."""
    return settings().default_model


def default_runtime() -> str:
    """The runtime of the settings."""
    return settings().runtime


def default_device() -> str:
    """The device of the settings, likewise."""
    return settings().device


def write_utf8() -> None:
    """Make stdout and stderr UTF-8 wherever they lead, and no character an error.

    Redirected output has the code page of the computer on Windows, which lacks most characters. A
    terminal keeps its own encoding. File names of other encodings are written escaped. Where stdout
    is closed, writing to it is made an error.
    """
    if sys.stdout is None:
        # The next file to be opened would take its place, and get what a library prints.
        os.open(os.devnull, os.O_WRONLY)
        sys.stdout = _Closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def say(message: str) -> None:
    """Print a message on stderr: stdout is for results."""
    typer.echo(message, err=True)


def in_words(error: Exception) -> str:
    """An error as a sentence, without the numbers of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        name = f"{os.fspath(error.filename)}: " if error.filename else ""
        return f"{name}{error.strerror}."
    return str(error)


def check_target(path: Path, option: str) -> None:
    """Check, before work that takes long, that a file can be written.

    Args:
        path: The file, which may exist.
        option: By which it was named.

    Raises:
        DataError: If it is a folder, its folder is missing, or it may not be written there.
    """
    folder = path.resolve().parent
    if path.is_dir():
        raise DataError(f"{path} is a folder.", f"Name a file: {option} FILE.")
    if not folder.is_dir():
        raise DataError(f"There is no folder for {path}.", f"Check {option}.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise DataError(f"{path} may not be written.", f"Name another place: {option} FILE.")


def given_diameter(red_cell_px: float | None) -> float | None:
    """What `--red-cell-px` says.

    Raises:
        typer.BadParameter: If it is no diameter.
    """
    if red_cell_px is not None:
        from allcell.imaging.scale import check_diameter  # OpenCV: not for `--help`

        try:
            check_diameter(red_cell_px)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return red_cell_px


def runtime_named(name: str) -> Runtime:
    """What `--runtime` says.

    Raises:
        typer.BadParameter: If there is no such runtime.
    """
    if name not in get_args(Runtime):
        raise typer.BadParameter(f"--runtime is {', '.join(get_args(Runtime))}; got {name!r}")
    return cast(Runtime, name)


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """Make a command's expected errors print their message and exit with code 1.

    One that is stopped, or whose output nobody reads to the end, ends quietly.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            try:
                command(*args, **kwargs)
            finally:
                if sys.stdout is not None:  # as it is if the command was started without one
                    sys.stdout.flush()
        except BrokenPipeError as error:
            _write_nowhere()
            raise typer.Exit(UNREAD) from error
        except KeyboardInterrupt as error:
            say("stopped.")
            raise typer.Exit(STOPPED) from error
        except (AllcellError, OSError) as error:
            say(f"error: {in_words(error)}")
            if isinstance(error, OSError):
                _write_nowhere()
            raise typer.Exit(1) from error

    return run


def _write_nowhere() -> None:
    """Let what is left in stdout's buffer go nowhere: Python would fail on it again at its end."""
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):
        with contextlib.suppress(OSError, ValueError):  # captured output is no file
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
