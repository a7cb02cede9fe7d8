"""The process of a teaching: `python -m allcell.teaching.child FOLDER [--only-plan]`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from allcell.background.child import WorkKind, do_work, run_alone
from allcell.background.progress import Progress
from allcell.teaching.leftovers import remove
from allcell.teaching.state import DISCARD_FILE, State
from allcell.teaching.work import machine_lock


def main() -> None:
    """Do the work of one teaching, and say in its folder what came of it."""
    folder = Path(sys.argv[1])
    run_alone(folder, partial(_teach_or_discard, folder, "--only-plan" in sys.argv[2:]))


def _teach_or_discard(folder: Path, only_plan: bool) -> None:
    teach(folder, only_plan=only_plan)
    if (folder / DISCARD_FILE).exists():
        remove(folder)


def teach(folder: Path, *, only_plan: bool) -> None:
    """Do it in this process.

    Args:
        folder: Of the teaching.
        only_plan: Whether to end once it is known how long it takes.
    """

    def work(progress: Progress[State]) -> None:
        # Imported once it is its turn: it takes seconds, and hundreds of megabytes.
        from allcell.teaching.run import run

        run(folder, progress, only_plan=only_plan)

    do_work(folder, WorkKind("teaching", machine_lock(folder)), State, work)


if __name__ == "__main__":
    main()
