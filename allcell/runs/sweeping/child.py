"""The process of a sweep: `python -m allcell.runs.sweeping.child FOLDER`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from allcell.background.child import WorkKind, do_work, run_alone
from allcell.background.progress import Progress
from allcell.runs.sweeping.work import SweepState, machine_lock


def main() -> None:
    """Do the work of one sweep, and say in its folder what came of it."""
    folder = Path(sys.argv[1])
    run_alone(folder, partial(work_on, folder))


def work_on(folder: Path) -> None:
    """Do it in this process.

    Args:
        folder: Of the sweep.
    """

    def work(progress: Progress[SweepState]) -> None:
        # Imported once it is its turn: it takes seconds, and hundreds of megabytes.
        import cv2

        from allcell.runs.sweeping.run import run

        # Each core has a region of its own: OpenCV's threads would only get in their way.
        cv2.setNumThreads(1)
        run(folder, progress)

    do_work(folder, WorkKind("sweep", machine_lock(folder)), SweepState, work)


if __name__ == "__main__":
    main()
