"""The start of a process that outlives whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import allcell
from allcell.background.state import LOG_FILE, STOP_FILE, WorkState, is_alive


def start_process(folder: Path, state: WorkState, module: str, more: Sequence[str] = ()) -> None:
    """Start the process of a work, or let it go on where it was.

    Args:
        folder: Of the work.
        state: How it stands; what has to be said besides is kept.
        module: What Python runs: `python -m MODULE FOLDER MORE`.
        more: What else it is told.

    Raises:
        OSError: If no process can be started; the state is as it was.
    """
    (folder / STOP_FILE).unlink(missing_ok=True)
    replace(state, status="waiting", stage="Starts", message="", remedy="").write(folder)
    root = Path(allcell.__file__).resolve().parents[1]
    known = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(root), known] if known else [str(root)])
    try:
        with (folder / LOG_FILE).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(folder.resolve()), *more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": paths},
                # It outlives the server, and Ctrl-C in a terminal asks the server alone.
                start_new_session=True,
            )
    except OSError:
        state.write(folder)
        raise
    # Nobody else would wait for it, and it would stay as a zombie.
    threading.Thread(target=process.wait, name=module, daemon=True).start()
    while process.poll() is None and not is_alive(folder):
        time.sleep(0.02)
