"""Many pictures in one command: each is answered or named, and what was left out is said."""

from __future__ import annotations

import csv
import io
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import typer

from allcell.cautions import Cautioned
from allcell.cli.base import STOPPED, say
from allcell.errors import AllcellError
from allcell.imaging.folders import Pictures, as_given, find_pictures
from allcell.settings import RESEARCH_USE

Answer = TypeVar("Answer")
#: A picture's place in the list, from 0, and its path.
Place = tuple[int, Path]


@dataclass
class Batch:
    """The pictures at some paths, and how far a command has come with them.

    Attributes:
        found: The pictures, and what was left out.
        failed: How many inputs could not be answered, or whose picture could not be written.
        withheld: How many were answered without numbers.
    """

    found: Pictures
    failed: int = 0
    withheld: int = 0
    _done: int = field(default=0, init=False)

    @classmethod
    def at(cls, paths: Iterable[Path]) -> Batch:
        """Look for pictures, and name what cannot be read.

        Raises:
            typer.Exit: If there is no picture.
        """
        found = find_pictures(paths)
        batch = cls(found)
        for path, error in found.failed:
            batch.fail(path, str(error))
        if not found.files:
            for sentence in found.passed_over():
                say(sentence)
            say("error: no image was found at the given paths.")
            raise typer.Exit(1)
        return batch

    @property
    def places(self) -> list[Place]:
        """Each picture's place (from 0) and path."""
        return list(enumerate(self.found.files))

    @property
    def inputs(self) -> int:
        """How many files and paths there are, those that cannot be read included."""
        return len(self.found.files) + len(self.found.failed)

    def fail(self, path: Path, why: str) -> None:
        """Count an input that came to nothing, and say why."""
        self.failed += 1
        say(f"failed: {as_given(path)}: {why}")

    def run(
        self,
        answers: Generator[tuple[Place, Answer | AllcellError], None, None],
        show: Callable[[int, Path, Answer], Cautioned],
    ) -> None:
        """Show one answer after the other, and sum up what went wrong.

        Args:
            answers: One for each of `places`, in that order, or the error that spoilt it.
            show: Called with a picture's place (from 0), path and answer; prints it. An
                AllcellError of it is said, and the next picture's turn comes.

        Raises:
            typer.Exit: If an input failed, or the user stopped the command.
        """
        try:
            with closing(answers):
                for (place, path), answer in answers:
                    try:
                        if isinstance(answer, AllcellError):
                            raise answer
                        self.withheld += show(place, path, answer).withheld
                    except AllcellError as error:
                        self.fail(path, str(error))
                    self._done += 1
        except KeyboardInterrupt as error:
            say(f"stopped: {self._done} of {len(self.found.files)} images are done.")
            raise typer.Exit(STOPPED) from error
        for sentence in self.found.passed_over():
            say(sentence)
        if self.withheld:
            say(
                f"{self.withheld} of {self.inputs} inputs: numbers withheld, not to be trusted. "
                "To see them all the same, add --insist."
            )
        if self.failed:
            say(f"{self.failed} of {self.inputs} inputs failed; the others are done.")
            raise typer.Exit(1)


def warn(path: Path, answer: Cautioned) -> None:
    """Say what speaks against an answer."""
    for caution in answer.cautions:
        say(f"warning: {path}: {caution}")


class CsvRows:
    """A CSV on stdout, written row by row: what is done is not lost when the command is stopped.

    A file that it is redirected into begins with the mark by which Excel knows UTF-8; a pipe and a
    terminal get none.

    Args:
        columns: Titles of the columns; the notice is added as the last one.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        mark = "\ufeff" if _is_new_file() else ""
        typer.echo(f"{mark}{_line([*columns, RESEARCH_USE])}", nl=False)

    def write(self, rows: Iterable[Sequence[object]]) -> None:
        """Write some rows at once, without the notice's column."""
        typer.echo("".join(_line([*row, ""]) for row in rows), nl=False)


def _line(values: Sequence[object]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerow(values)
    return sink.getvalue()


def _is_new_file() -> bool:
    """Whether stdout is redirected into a file that is still empty."""
    try:
        found = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):  # captured output is no file
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == 0
