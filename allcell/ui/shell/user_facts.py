"""What is known about a model that the user has added, in words."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from allcell.models.registry import OutputLayout
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.user_models import UserModel

if TYPE_CHECKING:
    from allcell.untrusted.network import UntrustedNetwork

#: Output layouts in words, with known networks as examples.
LAYOUTS: dict[OutputLayout, str] = {
    "anchor_free": "Candidates with class scores (YOLOv8, YOLO11, ours)",
    "anchor_based": "Candidates with objectness and class scores (YOLOv5, YOLOv7)",
    "end_to_end": "Finished boxes (YOLOv10, YOLO26, or NMS within the file)",
}
_SHORT_SHA = 12


def megabytes(network: UntrustedNetwork) -> str:
    """Size of its file, as the uploader writes it."""
    return f"{network.size_bytes / 1e6:.1f} MB"


def facts_of(model: UserModel) -> dict[str, str]:
    """What to know about a model before relying on it, in words, by the name of each fact."""
    spec, network, claims = model.spec, model.network, model.claims
    width, height = spec.fixed_input_px or network.input_px
    names = network.names if len(network.names) == len(claims.classes) else ()
    theirs = names or [f"class {n}" for n in range(len(claims.classes))]
    mapped = [
        f"{title_of(mine)}: "
        + ", ".join(t for t, m in zip(theirs, claims.classes, strict=True) if m == mine)
        for mine in spec.classes
    ]
    left_out = sum(mine is None for mine in claims.classes)
    opset = f"opset {network.facts.opset}" if network.facts.opset else ""
    made_by = ", ".join(part for part in (network.facts.producer, opset) if part)
    return {
        "Name in exports": spec.name,
        "Classes": "; ".join(mapped) + (f"; {left_out} left out" if left_out else ""),
        "Answers with": LAYOUTS[spec.output],
        "Input": f"the whole picture fitted into {width} x {height} px, "
        + ("the only size it takes" if network.fixed else "one of the sizes it takes"),
        "Begins with": f"confidence {spec.confidence:.2f}, overlap {spec.iou:.2f}",
        "File": f"{megabytes(network)}, SHA-256 {network.sha256[:_SHORT_SHA]}",
        "Made by": made_by or "not stated",
        "Speed": f"about {network.run_ms:.0f} ms a picture on this computer",
        "Scores": "not measured by us",
    }


def as_list(figures: Mapping[str, str]) -> str:
    """Names and values, escaped, as the HTML list that the style sheet lays out."""
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in figures.items())
    return f'<dl class="allcell-facts">{items}</dl>'
