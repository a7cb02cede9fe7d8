"""What was measured of all runtimes, as text, as a table and as files."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

from allcell.runs.runtime_speeds import RuntimeComparison, Speed
from allcell.settings import RESEARCH_USE
from allcell.text.noticed import noticed_csv

#: Columns of the CSV; the units are in the names.
COLUMNS = (
    *("model", "runtime", "precision", "device", "description"),
    *("frame_px", "input_px", "frames"),
    *("frame_to_boxes_median_ms", "frame_to_boxes_p95_ms"),
    *("bare_engine_median_ms", "bare_engine_p95_ms"),
    *("frames_per_s", "times_first", "times_paper"),
    *("viewers_1_frames_per_s", "viewers_4_frames_per_s", "viewers_16_frames_per_s"),
    *("photo_px", "photos_per_s", "not_here_because", "machine", "paper_frames_per_s"),
)


def comparison_json(comparison: RuntimeComparison) -> str:
    """Everything that was measured, with the date and the notice, as JSON."""
    named = {
        "notice": RESEARCH_USE,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        **asdict(comparison),
        "paper": "Frames a second of YOLOv5s at 1024 px on a Tesla P100, as the paper says.",
    }
    return json.dumps(named, indent=1)


def comparison_csv(comparison: RuntimeComparison) -> str:
    """A row for each runtime and precision, those that cannot run here included."""
    return noticed_csv(COLUMNS, [_row(comparison, speed) for speed in comparison.speeds])


def _row(comparison: RuntimeComparison, speed: Speed) -> list[object]:
    def rounded(value: float | None, digits: int = 2) -> float | str:
        return round(value, digits) if value else ""

    whole, bare = speed.frame_to_boxes, speed.bare_engine
    return [
        *(comparison.model, speed.way.runtime, speed.way.precision, speed.way.device),
        speed.description,
        *(_size(comparison.frame_px), _size(comparison.input_px), comparison.frames),
        *(rounded(value, 3) for value in ((whole.median, whole.p95) if whole else (0, 0))),
        *(rounded(value, 3) for value in ((bare.median, bare.p95) if bare else (0, 0))),
        *(rounded(speed.fps), rounded(speed.times_first)),
        rounded(speed.fps / comparison.paper_fps),
        *(rounded(speed.viewers_fps.get(viewers)) for viewers in (1, 4, 16)),
        *(_size(comparison.photo_px), rounded(speed.images_per_s), speed.failed),
        *(comparison.machine, comparison.paper_fps),
    ]


def _size(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]}x{size_px[1]}"


def table(comparison: RuntimeComparison) -> str:
    """The comparison as text, with bars of frames a second beside the paper's.

    Args:
        comparison: What was measured.
    """
    rows = [
        f"{comparison.model} on {comparison.machine}; frame "
        f"{comparison.frame_px[0]}x{comparison.frame_px[1]}, input "
        f"{comparison.input_px[0]}x{comparison.input_px[1]}, {comparison.frames} frames in turn",
    ]
    works = [speed for speed in comparison.speeds if speed.frame_to_boxes is not None]
    width = max([len(speed.description) for speed in works] + [28])
    most = max([speed.fps for speed in works] + [comparison.paper_fps])

    def bar(fps: float) -> str:
        return "#" * max(1, round(24 * fps / most))

    rows.append(
        f"  {'':{width}}  frame  bare   faster  photos/s  frames/s for 1, 4, 16 viewers  frames/s"
    )
    for speed in works:
        assert speed.frame_to_boxes is not None
        assert speed.bare_engine is not None
        seen = " ".join(f"{fps:7.1f}" for fps in speed.viewers_fps.values())
        rows.append(
            f"  {speed.description:{width}} {speed.frame_to_boxes.median:6.2f} "
            f"{speed.bare_engine.median:6.2f}  {speed.times_first:5.2f}x  {speed.images_per_s:8.1f}"
            f"  {seen:29}  {speed.fps:6.0f} {bar(speed.fps)}"
        )
    paper = "the paper, Tesla P100"
    rows.append(f"  {paper:{width + 57}}  {comparison.paper_fps:6.0f} {bar(comparison.paper_fps)}")
    rows += [
        f"  not here: {speed.way.title}: {speed.failed}"
        for speed in comparison.speeds
        if speed.failed
    ]
    rows += [f"  {comparison.disturbed}"] * bool(comparison.disturbed)
    return "\n".join(rows)
