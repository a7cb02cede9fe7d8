"""Do sessions give back their memory? Many uploads at the size limit, one session after the other.

All files are of one size, and so are their pixels. In the first of a session cells are as small as
usual, which keeps the model busy for some seconds; the others are enlarged, as by a scanner with
more pixels than its lens has detail, and go through the model as one small picture: it would look
at small cells in each of them for most of an hour, which has nothing to do with memory.

Run from the repository's root: `make soak`, or python tests/soak/sessions.py
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from allcell.synth import FieldSpec, render
from tests.app_client import AppClient
from tests.served import Served, served
from tests.soak.kept import MOST_HEALTH_S, keep, usual_machine

#: A session that is closed has let go of everything after this time.
_LET_GO_S = 15.0
#: Cells of all files but the first are enlarged this often: red cells of some 200 pixels.
_ENLARGED = 7
#: Files of a session that are on their way at a time.
AT_ONCE = 4
#: What Python, Streamlit and the model themselves may grow by over the sessions.
MOST_GROWTH_MB = 150.0


def bitmap(side_px: int, enlarged: int = 1) -> bytes:
    """A square field of cells as a BMP, which takes three bytes a pixel.

    Args:
        side_px: Its side.
        enlarged: How many times larger than usual its cells are.
    """
    spec = FieldSpec(640, 640, red_cell_px=28, seed=11, blasts=5, neutrophils=2)
    tile = cv2.cvtColor(render(spec).image, cv2.COLOR_RGB2BGR)
    if enlarged > 1:
        tile = cv2.resize(tile, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_CUBIC)
    times = -(-side_px // len(tile))
    picture = np.tile(tile, (times, times, 1))[:side_px, :side_px]
    done, data = cv2.imencode(".bmp", picture)
    assert done
    return data.tobytes()


def _numbered(data: bytes, session: int, file: int) -> bytes:
    return data[:-2] + bytes([session, file])


def soak(
    app: Served, *, sessions: int, files: int, side_px: int, budget_mb: float
) -> tuple[dict[str, Any], list[str]]:
    """Sessions that upload, one after the other: what was measured, and what is wrong with it."""
    small, data = bitmap(side_px), bitmap(side_px, _ENLARGED)
    wrong: list[str] = []
    refused = 0
    with AppClient(app.url) as first:
        first.run()
        first.upload({"warm.bmp": small})
    time.sleep(_LET_GO_S / 5)
    before = app.held()
    with app.watched():
        for n in range(sessions):
            # Each file differs in its last bytes, and so in what is known of it.
            sent = {
                f"field-{n}-{k}.bmp": partial(_numbered, data if k else small, n, k)
                for k in range(files)
            }
            begun = time.monotonic()
            with AppClient(app.url) as tab:
                tab.run()
                statuses = tab.upload(sent, at_once=AT_ONCE)
                said = " ".join(tab.texts)
            if set(statuses) != {204}:
                wrong.append(f"session {n}: the server answered {set(statuses)}")
            refused += "was not taken" in said
            print(
                f"session {n + 1}: {app.held().memory_mb:.0f} MB, peak {app.peak_mb:.0f} MB, "
                f"slowest answer {app.slowest_s:.2f} s; {time.monotonic() - begun:.0f} s",
                flush=True,
            )
        end = time.monotonic() + _LET_GO_S
        while app.held().memory_mb > before.memory_mb + MOST_GROWTH_MB and time.monotonic() < end:
            time.sleep(0.2)
    after = app.held()
    found = {
        "sessions": sessions,
        "files": files,
        "file_mb": len(data) / 2**20,
        "budget_mb": budget_mb,
        "before_mb": before.memory_mb,
        "peak_mb": app.peak_mb,
        "after_mb": after.memory_mb,
        "slowest_health_s": app.slowest_s,
        "refused": refused,
    }
    # Files on their way are not held yet: they count once they have arrived.
    allowed_mb = budget_mb + AT_ONCE * len(data) / 2**20
    if app.peak_mb - before.memory_mb > allowed_mb:
        wrong.append(f"memory rose by {app.peak_mb - before.memory_mb:.0f} of {allowed_mb:.0f} MB")
    if after.memory_mb - before.memory_mb > MOST_GROWTH_MB:
        wrong.append(f"{after.memory_mb - before.memory_mb:.0f} MB stay after the last session")
    if app.slowest_s > MOST_HEALTH_S:
        wrong.append(f"the slowest answer took {app.slowest_s:.2f} s")
    return found, wrong


def main() -> int:
    """Measure, print, keep; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--files", type=int, default=30)
    parser.add_argument("--side", type=int, default=8350, help="of each picture, in pixels")
    parser.add_argument("--budget", type=int, default=4096, help="of the server, in MB")
    parser.add_argument("--keep", action="store_true", help="write the numbers into README")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "ALLCELL_SESSION_KEPT_S": "2",
            "ALLCELL_MAX_SERVER_BYTES": str(chosen.budget * 2**20),
        }
        with served(Path(folder) / "log", environment=environment) as app:
            found, wrong = soak(
                app,
                sessions=chosen.sessions,
                files=chosen.files,
                side_px=chosen.side,
                budget_mb=chosen.budget,
            )
    print(found)
    for line in wrong:
        print(f"FAILED: {line}")
    if chosen.keep:
        keep("sessions", found | usual_machine())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
