"""Are memory and frame rate stable over a long stream? The virtual microscope, the live model.

Run by hand from the repository's root: python tests/soak/stream.py --minutes 30
It fails if the resident memory grows by 5 % or more after the first two minutes, or if the stream
stops or reports an error.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from allcell.benchmark import resident_mb
from allcell.stream.feed import Feed
from allcell.stream.frames import Viewer
from allcell.stream.live_settings import LiveSettings
from allcell.stream.microscope import VirtualMicroscope
from allcell.stream.model_worker import open_live

SETTLED_S = 120.0
MOST_GROWTH = 0.05


def main() -> int:
    """Stream, and print a line every ten seconds; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--model", default="live")
    parser.add_argument("--size", default="1280x720", help="of the frames")
    chosen = parser.parse_args()
    width, height = (int(side) for side in chosen.size.split("x"))

    worker = open_live(chosen.model)
    worker.warm_up(width, height)
    viewer = Viewer(LiveSettings(worker))
    feed = Feed(VirtualMicroscope(width, height), viewer.process)
    start, settled = time.monotonic(), []
    failures = []
    before = 0
    while (passed := time.monotonic() - start) < 60 * chosen.minutes:
        time.sleep(min(10.0, 60 * chosen.minutes - passed + 0.01))
        passed, memory, status = time.monotonic() - start, resident_mb(), viewer.status()
        tally = viewer.tally()
        print(
            f"{passed:6.0f} s  {memory:6.1f} MB  in {status.frames_in:4.1f}  inferred "
            f"{status.frames_inferred:4.1f}  shown {status.frames_shown:4.1f} a second  "
            f"latency {status.latency.median if status.latency else 0:5.1f} ms  "
            f"{tally.counts.blasts} blasts of {tally.share.n}  {tally.paused}",
            flush=True,
        )
        if feed.number == before or status.error:
            failures.append(status.error or f"no frame in ten seconds before {passed:.0f} s")
        before = feed.number
        if passed >= SETTLED_S:
            settled.append(memory)
    feed.close()
    viewer.close()
    if len(settled) >= 2:
        # The first and last tenth, since memory varies with the tiles of the slide.
        few = max(1, len(settled) // 10)
        first, last = float(np.mean(settled[:few])), float(np.mean(settled[-few:]))
        growth = last / first - 1
        print(f"after {SETTLED_S:.0f} s: {first:.1f} MB, at the end {last:.1f} MB: {growth:+.1%}")
        if growth >= MOST_GROWTH:
            failures.append("memory grows")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
