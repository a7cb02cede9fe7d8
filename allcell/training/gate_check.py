"""How the gate of still pictures does on what it was not fitted to."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from allcell.data.dataset import OnImage
from allcell.data.laboratories import LABORATORIES
from allcell.data.yolo_sets import read_yolo
from allcell.imaging.familiarity import Finding, judge
from allcell.imaging.familiarity.reference import Reference, reference
from allcell.imaging.images import SUFFIXES, RGBImage, decode
from allcell.imaging.scale import resolve_scale
from allcell.synth.others import KINDS, render_other
from allcell.training.familiarity import fit, piece_of, trace

#: Rendered pictures of each kind that is no smear, and their first seed: none was fitted to.
RENDERED, FIRST_SEED = 40, 50_000
#: Crops of each photograph.
CROPS = 6


def check_gate(
    data: Path,
    fitted_to: Path | None = None,
    photographs: Path | None = None,
    *,
    on_picture: OnImage | None = None,
) -> dict[str, Any]:
    """Judge the laboratories' test pictures, and pictures that are no smears.

    Each laboratory is also judged by a gate that was fitted without it.

    Args:
        data: Folder that holds the laboratories' YOLO folders; one that is missing is left out.
        fitted_to: Folder of photographs and the like that the gate was fitted to.
        photographs: Folder of some that it was not fitted to.
        on_picture: Called with the number of pictures judged and of all; may raise to stop.

    Returns:
        `laboratories`: by name, `pictures`, `withheld` (no numbers shown), `unlike` (named as
        unlike the laboratories of the training, or withheld), and `unlike_when_left_out`. `others`:
        by kind, `pictures` and `passed` (numbers shown).

    Raises:
        DataError: If a data set cannot be read.
    """
    names = [name for name in LABORATORIES if (data / name).is_dir()]
    traced = trace([data / name for name in names], fitted_to)
    without = {name: fit([one for one in traced if one.source != name]) for name in names}
    fields = {name: read_yolo(data / name, LABORATORIES[name].test) for name in names}
    others = list(_others(photographs))
    total = len(others) + sum(map(len, fields.values()))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_picture:
            on_picture(done, total)

    laboratories = {}
    for name in names:
        counts: Counter[str] = Counter()
        for field in fields[name]:
            image = field.pixels()
            usual, left_out = _judged(image, (reference(), without[name]))
            counts["pictures"] += 1
            counts["withheld"] += _withheld(usual)
            counts["unlike"] += _unlike(usual)
            counts["unlike_when_left_out"] += _unlike(left_out)
            step()
        keys = ("pictures", "withheld", "unlike", "unlike_when_left_out")
        laboratories[name] = {key: counts[key] for key in keys}
    passed: dict[str, Counter[str]] = {}
    for kind, make in others:
        counts = passed.setdefault(kind, Counter(pictures=0, passed=0))
        counts["pictures"] += 1
        counts["passed"] += not _withheld(_judged(make(), (reference(),))[0])
        step()
    return {
        "date": dt.date.today().isoformat(),
        "laboratories": laboratories,
        "others": {kind: dict(counts) for kind, counts in passed.items()},
    }


def _others(photographs: Path | None) -> Iterator[tuple[str, Callable[[], RGBImage]]]:
    for kind in KINDS:
        for n in range(RENDERED):
            yield kind, partial(render_other, kind, FIRST_SEED + n)
    if photographs is not None:
        for path in sorted(photographs.iterdir()):
            if path.suffix.lower() in SUFFIXES:
                yield "photograph", partial(decode, path)
                for n in range(CROPS):
                    yield "crop of a photograph", partial(piece_of, path, FIRST_SEED + n)


def _judged(image: RGBImage, gates: Sequence[Reference]) -> list[tuple[Finding, ...]]:
    scale = resolve_scale(image)
    return [judge(image, scale, known=gate) for gate in gates]


def _withheld(findings: Sequence[Finding]) -> bool:
    return any(finding.severe for finding in findings)


def _unlike(findings: Sequence[Finding]) -> bool:
    return any(finding.severe or finding.kind in ("unlike", "grey") for finding in findings)
