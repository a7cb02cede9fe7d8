"""How the gate of still pictures does on what it was not fitted to, for the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allcell.data.laboratories import LABORATORIES

#: Its file among the metrics (see `allcell.training.gate_check`).
FILE = "gate.json"


def gate_section(weights_dir: Path) -> str:
    """The tables of the gate's check; empty if none was made.

    Args:
        weights_dir: Folder that holds `metrics/`.
    """
    path = weights_dir / "metrics" / FILE
    if not path.is_file():
        return ""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        "**What is withheld, and what is called unlike the training** (`python -m allcell data "
        f"check-familiarity`, {found['date']}): test pictures of each laboratory, whose other "
        "fields the gate of still pictures was fitted to, and the same by a gate that was fitted "
        "without that laboratory.",
        "",
        "| Laboratory | Pictures | No numbers shown | Called unlike, or withheld | The same, "
        "laboratory left out |",
        "|---|---|---|---|---|",
    ]
    for name, counts in found["laboratories"].items():
        n = counts["pictures"]
        shares = (_of(counts[key], n) for key in ("withheld", "unlike", "unlike_when_left_out"))
        lines.append(f"| {LABORATORIES[name].title} | {n} | {' | '.join(shares)} |")
    others = found["others"].values()
    shown, pictures = (sum(kind[key] for kind in others) for key in ("passed", "pictures"))
    lines += [
        "",
        f"Of {pictures} pictures that are no smears (rendered shapes, text, noise, fabrics and "
        f"the like; photographs and crops of them), none of which it was fitted to, {shown} got "
        "numbers: "
        + (
            "; ".join(
                f"{kind['passed']} of {kind['pictures']} of the kind *{name}*"
                for name, kind in found["others"].items()
                if kind["passed"]
            )
            or "none"
        )
        + ".",
    ]
    return "\n".join(lines)


def _of(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.1f} %)" if total else "0"
