"""How well the tally counts: the live model on a pan over a synthetic slide, against its truth.

Run by hand from the repository's root, about a minute: python tests/soak/tally.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from allcell.detector import Detector, choose
from allcell.models.registry import BLAST, HEALTHY
from allcell.models.weights import model_files
from allcell.stream.motion import thumbnail
from allcell.stream.slide_canvas import cells_in, slide_spec
from allcell.stream.sources import SlideView
from allcell.stream.tally import MIN_FRAMES, Tally
from allcell.synth.slide import SyntheticSlide

WIDTH_PX, HEIGHT_PX = 640, 360
#: Name, pixels a second, inferences a second, views passed. A view is crossed in 16, 4 and 1.6 s.
PANS = (
    ("still", 0, 30, 0.0),
    ("slow", 40, 30, 3.0),
    ("fast", 160, 30, 6.0),
    ("fast, slow model", 160, 5, 6.0),
    ("very fast, slow model", 400, 5, 6.0),
    ("back and forth", 160, 10, 3.0),
)


def path(speed: float, rate: float, views: float, back: bool) -> list[int]:
    """Left edges of the frames."""
    if speed == 0:
        return [0] * 60
    forth = [round(n * speed / rate) for n in range(int(views * WIDTH_PX * rate / speed) + 1)]
    return forth + forth[::-1] if back else forth


def main() -> None:
    """Print a row for each kind of motion."""
    small = model_files("live").onnx_int8 is not None
    detector = Detector.open("live", device="cpu", precision="int8" if small else "full")
    print(f"{'motion':24} {'frames':>6} {'true b+h':>9} {'counted':>8} {'error':>7} fields")
    for name, speed, rate, views in PANS:
        true = counted = frames = fields = 0
        for seed in range(3):
            spec = slide_spec(WIDTH_PX, HEIGHT_PX, seed=100 + seed)
            slide = SyntheticSlide(spec)
            lefts = path(speed, rate, views, "back" in name)
            strip = slide.view(0, 0, WIDTH_PX + max(lefts), HEIGHT_PX).image
            tally = Tally(detector.spec.classes)
            seen: dict[tuple[int, int, int], int] = {}
            for n, x in enumerate(lefts):
                frame = np.ascontiguousarray(strip[:, x : x + WIDTH_PX])
                for cell in cells_in(slide, SlideView(x, 0, WIDTH_PX, HEIGHT_PX, 1.0, 0.0)):
                    r = cell.radius_px
                    inside = r < cell.x_px < WIDTH_PX - r and r < cell.y_px < HEIGHT_PX - r
                    if inside and cell.class_id in (BLAST, HEALTHY):
                        seen[cell.key] = seen.get(cell.key, 0) + 1
                boxes, _ = detector.detect(frame, red_cell_px=spec.red_cell_px, iou=0.8)
                tally.update(choose(detector.spec, boxes), frame, thumbnail(frame), n / rate)
            state = tally.state()
            true += sum(1 for times in seen.values() if times >= MIN_FRAMES)
            counted += state.share.n
            frames += len(lefts)
            fields += state.fields
        print(
            f"{name:24} {frames:6d} {true:9d} {counted:8d} {counted / true - 1:+7.1%} {fields:4d}"
        )


if __name__ == "__main__":
    main()
