"""The check of the gate on pictures that it was not fitted to, and its section in the README."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from allcell.data.yolo import write_dataset_yaml, write_labels
from allcell.imaging.images import encode_png
from allcell.report.documents.gate import FILE, gate_section
from allcell.synth import FieldSpec, render
from allcell.synth.others import KINDS, render_other
from allcell.training import familiarity, gate_check


def laboratory(folder: Path, splits: tuple[str, str], spread: float) -> None:
    for split, count in zip(splits, (6, 2), strict=True):
        for n in range(count):
            spec = FieldSpec(240, 200, red_cell_px=16 + spread * n, seed=n, neutrophils=1)
            path = folder / "images" / split / f"{split}{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(render(spec).image))
            write_labels(folder / "labels" / split / f"{split}{n}.txt", [])
    write_dataset_yaml(folder, list(splits))


@pytest.mark.slow
def test_every_test_picture_is_judged_by_both_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_check, "RENDERED", 1)
    for place in (gate_check, familiarity):
        monkeypatch.setattr(place, "KINDS", tuple(KINDS)[:2])
    monkeypatch.setattr(familiarity, "RENDERED", 2)
    monkeypatch.setattr(familiarity, "RENDERED_OTHERS", 1)
    laboratory(tmp_path / "bccd", ("train", "held_out"), 0.2)
    laboratory(tmp_path / "chula", ("train", "held_out"), 0.3)
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    (photographs / "a.png").write_bytes(encode_png(render_other("text", 1)))
    (photographs / "notes.txt").write_text("no picture")
    steps: list[tuple[int, int]] = []
    found = gate_check.check_gate(
        tmp_path, None, photographs, on_picture=lambda done, total: steps.append((done, total))
    )
    assert found["laboratories"].keys() == {"bccd", "chula"}
    for counts in found["laboratories"].values():
        assert counts["pictures"] == 2
        assert counts["withheld"] <= counts["unlike"] <= 2
    assert found["others"]["photograph"]["pictures"] == 1
    assert found["others"]["crop of a photograph"]["pictures"] == gate_check.CROPS
    assert steps[-1][0] == steps[-1][1] == len(steps)


def test_the_readme_says_how_many_got_numbers(tmp_path: Path) -> None:
    assert gate_section(tmp_path) == ""
    found = {
        "date": "2026-11-28",
        "laboratories": {
            "bccd": {"pictures": 200, "withheld": 1, "unlike": 5, "unlike_when_left_out": 190}
        },
        "others": {"text": {"pictures": 40, "passed": 0}, "fabric": {"pictures": 40, "passed": 2}},
    }
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / FILE).write_text(json.dumps(found))
    section = gate_section(tmp_path)
    assert "| BCCD | 200 | 1 (0.5 %) | 5 (2.5 %) | 190 (95.0 %) |" in section
    assert "Of 80 pictures that are no smears" in section
    assert "2 got numbers: 2 of 40 of the kind *fabric*." in section
