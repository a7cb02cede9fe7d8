"""What `tools/gpu_check.sh` measured on a CUDA card, for the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allcell.models.weights import read_manifest

#: Its file among the metrics.
FILE = "gpu_check.json"


def card_section(weights_dir: Path) -> str:
    """The table of what a CUDA card does; empty if none was measured.

    Args:
        weights_dir: Folder that holds `metrics/`.
    """
    path = weights_dir / "metrics" / FILE
    if not path.is_file():
        return ""
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    about, stages = result["about"], result["stages"]
    rows = [
        _row(name, stages[f"speed {name}"][side])
        for name in result["models"]
        for side in sorted(filter(str.isdigit, stages.get(f"speed {name}", {})), key=int)
    ]
    if not rows:
        return ""
    lines = [
        f"**On a CUDA card** (`tools/gpu_check.sh`; one {about['device']}, "
        f"torch {about['torch']}, half precision, {about['date']}; rendered fields): a 1280x720 "
        "frame to boxes, scale known, stain left as it is. The card scales the frame and runs the "
        "network as a CUDA graph, whose replay alone is shown beside it.",
        "",
        "| model | input | ms, median / p95 | frames/s | graph's replay, ms | without graphs, ms |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    tiles = stages.get("throughput live", {})
    if "detect_many_tiles_s" in tiles:
        lines += [
            "",
            f"`detect_many` with `live`: {tiles['detect_many_tiles_s']:,.0f} tiles of 640x352 a "
            f"second, to boxes, {tiles['detect_many_batch']} at once.",
        ]
    agreement = [
        _parity(name, stages[f"parity {name}"])
        for name in result["models"]
        if "boxes" in stages.get(f"parity {name}", {})
    ]
    if agreement:
        lines += [
            "",
            "Against the CPU in 32 bits, a box agrees at an IoU above .95, scores within .02 and "
            f"the same class: {'; '.join(agreement)}.",
        ]
    today, then = read_manifest(weights_dir), result.get("weights", {})
    other = [
        n for n in result["models"] if n in today and today[n].checkpoint.sha256 != then.get(n)
    ]
    if other:
        lines += ["", f"Whether it was with today's weights is not on record: {_listed(other)}."]
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _row(name: str, m: dict[str, Any]) -> str:
    full, replay, eager = m["frame_to_boxes"], m["graph_replay"], m["eager_frame_to_boxes"]
    alone = f"{replay['median']:.2f}" if replay else "no graph"
    return (
        f"| `{name}` | {'x'.join(map(str, m['input_px']))} | {full['median']:.2f} / "
        f"{full['p95']:.2f} | {m['fps']:.0f} | {alone} | {eager['median']:.2f} |"
    )


def _parity(name: str, stage: dict[str, Any]) -> str:
    agree = stage["boxes"] - stage["off"] - stage.get("ties", 0)
    said = f"`{name}` {agree} of {stage['boxes']}"
    if stage.get("ties"):
        said += f", and {stage['ties']} where the other of two nearly equal boxes of one cell won"
    return said
