"""What a large run costs follows from what was measured, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from allcell.batch.cost import (
    BEGIN,
    END,
    core_hours,
    measured_text,
    overhead,
    plan_text,
    section,
    times_faster,
    with_measured,
)
from allcell.errors import DataError
from allcell.settings import settings

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "many-machines.md"


def way(name, workers, seconds, first_s=10.0, cores=None):
    return {
        **{"way": name, "workers": workers, "cores": cores or workers, "seconds": seconds},
        **{"first_s": first_s, "result_bytes": 500_000},
    }


MEASURED = {
    **{"model": "live", "machine": "Some CPU, 2 cores", "fields": 500, "field_px": [2592, 1944]},
    **{"field_bytes": 1_500_000, "date": "2026-11-28"},
    "ways": [
        way("loop", 1, 100.0, 0.5),
        way("processes", 1, 104.0),
        way("processes", 1, 102.0, cores=2),
        way("processes", 2, 56.0),
        way("ray", 1, 112.0),
        way("ray", 1, 108.0, cores=2),
        way("ray", 2, 64.0),
    ],
}


def changed(**seconds):
    ways = [
        w | {"seconds": seconds.get(f"{w['way']}_{w['workers']}_{w['cores']}", w["seconds"])}
        for w in MEASURED["ways"]
    ]
    return MEASURED | {"ways": ways}


def test_times_and_overhead_are_of_whole_runs():
    assert times_faster(MEASURED, "ray") == pytest.approx(112 / 64)
    assert overhead(MEASURED, "ray") == pytest.approx(0.12)
    assert overhead(MEASURED, "ray", 2) == pytest.approx(0.08)
    assert times_faster(MEASURED, "loop") is None


def test_a_large_run_is_planned_with_the_slower_engine_without_its_start():
    # 500 fields less the first part of each of two workers, in 64 s less 10 s until it had come.
    per_core_s = 54 / (500 - 64) * 2
    assert core_hours(MEASURED, 1_000_000) == pytest.approx(per_core_s * 1e6 / 3600)
    said = plan_text(MEASURED, price=0.05, share=0.25)
    assert "1,000,000 photographs of 2592x1944 take 69 hours of a core" in said
    assert "(4.0 a second on each)" in said
    assert "1.50 TB" in said
    assert "1.0 GB in 31,250 parts" in said
    assert "6.1 MB a second for each core" in said
    assert "| 10 | 16 | 0.4 | 3 |" in said
    assert "25 %" in said
    assert "at most 1.3 times as fast" in said


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        pytest.param(
            MEASURED,
            ["1.75 times", "1.7 is asked: met", "+8 %", "asked: met), and +12 %"],
            id="met",
        ),
        pytest.param(changed(ray_2_2=70.0), ["1.60 times", "1.7 is asked: **not met**"], id="slow"),
        pytest.param(
            changed(ray_1_2=116.0), ["+16 %", "+15 % is asked: **not met**"], id="overhead"
        ),
    ],
)
def test_what_is_asked_stands_beside_it(measured, said):
    line = next(x for x in measured_text(measured).splitlines() if x.startswith("Ray:"))
    for part in said:
        assert part in line


def test_too_few_fields_plan_nothing():
    with pytest.raises(DataError, match="100 fields are too few"):
        plan_text(MEASURED | {"fields": 100})


def test_what_was_not_measured_is_said(tmp_path):
    with pytest.raises(DataError, match="batch-speed --save"):
        section(tmp_path, "live")


def test_the_document_has_the_numbers_that_were_measured():
    text = DOCUMENT.read_text(encoding="utf-8")
    metrics = settings().weights_dir / "metrics"
    if (metrics / "live_batch.json").is_file():
        assert with_measured(text, section(metrics, "live")) == text
    else:
        assert f"{BEGIN}\n{END}" in text, "numbers that nobody has measured"


def test_a_document_without_marks_is_refused():
    with pytest.raises(DataError, match="lost its marks"):
        with_measured("# Many machines", "")
