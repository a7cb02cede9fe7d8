"""The paper's Table 1 next to ours: every cell from its source."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from allcell.models.registry import MODELS
from allcell.report.paper import METRICS, published
from allcell.report.table1 import (
    MEANS,
    TABLE_METRICS,
    long_table,
    table_1,
    to_csv,
    to_latex,
    to_markdown,
    wide_table,
)
from allcell.settings import RESEARCH_USE, settings


@pytest.fixture
def weights(tmp_path):
    """A copy of the manifest and the metrics, to be changed."""
    shutil.copy(settings().weights_dir / "manifest.json", tmp_path)
    shutil.copytree(settings().weights_dir / "metrics", tmp_path / "metrics")
    return tmp_path


def cell(cells, model, class_name, metric):
    return next(
        c for c in cells if (c.model, c.class_name, c.metric) == (model, class_name, metric)
    )


def test_every_cell_is_the_papers_and_the_evaluators():
    cells = table_1(settings().weights_dir)
    assert len(cells) == len(MODELS) * (2 * len(TABLE_METRICS) + len(MEANS))
    for c in cells:
        paper = published(c.model)
        in_paper = paper is not None and c.metric in METRICS
        assert c.published == (paper.value(c.class_name, c.metric) if in_paper else None)
        path = settings().weights_dir / "metrics" / f"{c.model}_allidb1_test.json"
        metrics = json.loads(path.read_text())
        if c.class_name == "all":
            name = f"m{c.metric}"
            assert c.measured == metrics[name]
        else:
            name = f"{c.class_name}.{c.metric}"
            assert c.measured == metrics["classes"][c.class_name][c.metric]
        low, high = metrics["intervals"][name]
        if c.interval.kind == "bootstrap":
            assert low < high
            assert (c.low, c.high) == (low, high)
        else:
            # All cells found, or all boxes right: no bound at 1.
            assert (c.metric in ("precision", "recall"), c.interval.kind) == (True, "exact")
            assert c.low < 1.0


def test_the_table_follows_the_json(weights):
    path = weights / "metrics" / "yolov5s_allidb1_test.json"
    metrics = json.loads(path.read_text())
    metrics["classes"]["blast"]["ap50"] = 0.123
    metrics["intervals"]["blast.ap50"] = [0.1, 0.2]
    path.write_text(json.dumps(metrics))
    changed = cell(table_1(weights), "yolov5s", "blast", "ap50")
    assert (changed.measured, changed.low, changed.high) == (0.123, 0.1, 0.2)
    assert changed.difference == pytest.approx(0.123 - 0.972)


def test_ap_as_shown_stands_beside_the_papers_kind(weights):
    path = weights / "metrics" / "yolov5s_allidb1_test.json"
    metrics = json.loads(path.read_text())
    metrics["classes"]["blast"] |= {"ap50": 0.9, "ap50_as_shown": 0.8}
    metrics["intervals"] |= {"blast.ap50": [0.85, 0.95], "blast.ap50_as_shown": [0.7, 0.9]}
    path.write_text(json.dumps(metrics))
    row = wide_table(table_1(weights)).set_index(["Model", "Cells"]).loc[("YOLOv5s", "Blasts")]
    names = list(row.index)
    paper, shown = (f"AP@0.5 as {what}" for what in ("YOLOv5 counts", "shown"))
    assert row[f"{paper}, ours (95 %)"] == ".900 (.850 to .950)"
    assert row[f"{shown}, ours (95 %)"] == ".800 (.700 to .900)"
    assert names.index(f"{shown}, ours (95 %)") == names.index(f"{paper}, ours - paper") + 1
    assert f"{shown}, paper" not in names


def test_json_of_a_version_without_ap_as_shown_is_read(weights):
    path = weights / "metrics" / "yolov5s_allidb1_test.json"
    path.write_text(path.read_text().replace("_as_shown", "_unknown"))
    cells = table_1(weights)
    assert cell(cells, "yolov5s", "blast", "ap50").measured is not None
    for metric in ("ap50_as_shown", "ap50_95_as_shown"):
        assert cell(cells, "yolov5s", "blast", metric).measured is None
        assert cell(cells, "yolov5s", "all", metric).measured is None
    row = wide_table(cells).set_index(["Model", "Cells"]).loc[("YOLOv5s", "Blasts")]
    assert row["AP@0.5 as shown, ours (95 %)"] == ""


def test_numbers_of_other_weights_are_not_shown(weights):
    manifest = json.loads((weights / "manifest.json").read_text())
    manifest["yolov5s"]["checkpoint"]["sha256"] = "0" * 64
    (weights / "manifest.json").write_text(json.dumps(manifest))
    unknown = cell(table_1(weights), "yolov5s", "blast", "ap50")
    assert unknown.measured is None
    assert unknown.published == 0.972


def test_means_stand_where_the_paper_has_them_or_where_nothing_else_does():
    cells = table_1(settings().weights_dir)
    table = wide_table(cells)
    assert list(table[table["Cells"] == "Both classes"]["Model"]) == ["YOLOv6n"]
    alone = wide_table(tuple(c for c in cells if c.class_name == "all"))
    assert len(alone) == len(MODELS)


def test_the_table_has_the_difference_beside_both_numbers(weights):
    path = weights / "metrics" / "yolov5s_allidb1_test.json"
    metrics = json.loads(path.read_text())
    metrics["classes"]["blast"]["ap50"] = 0.962
    metrics["classes"]["healthy"]["ap50"] = 0.9
    path.write_text(json.dumps(metrics))
    table = wide_table(table_1(weights)).set_index(["Model", "Cells"])
    column = "AP@0.5 as YOLOv5 counts, ours - paper"
    assert table.loc[("YOLOv5s", "Blasts"), column] == pytest.approx(-0.010)
    assert table.loc[("YOLOv5s", "Healthy white cells"), column] == pytest.approx(0.069)
    assert np.isnan(table.loc[("allcell live", "Blasts"), column]), "the paper has no such model"
    assert "| -.010 " in to_markdown(table_1(weights), ())


def test_exports_hold_every_number():
    cells = table_1(settings().weights_dir)
    table = pd.read_csv(io.StringIO(to_csv(cells)))
    assert len(table) == len(long_table(cells))
    assert list(table)[-1] == RESEARCH_USE
    row = table[(table["model"] == "yolov7") & (table["class"] == "blast")].iloc[0]
    assert row["published"] == 0.737
    assert row["metric"] == "AP@0.5 as YOLOv5 counts"
    markdown = to_markdown(cells, ("A note.",))
    assert markdown.count("|") > 100
    assert markdown.endswith("A note.\n")
    latex = to_latex(cells, ("A note: 5 % of it.",))
    assert latex.startswith("% A note")
    assert r"\toprule" in latex
    # A bare per cent sign would make a comment of the rest of a row.
    assert all("%" not in line.replace(r"\%", "") for line in latex.splitlines()[1:])


@pytest.mark.parametrize(
    ("images", "ends", "text"),
    [
        # Published: .972. It has an error of its own, so that it is not marked as another number.
        pytest.param(17, [0.8, 0.9], ".850 (.800 to .900)", id="an interval beside the paper's"),
        pytest.param(9, [0.8, 0.9], ".850 (n/a)", id="too few fields"),
        pytest.param(17, [0.85, 0.85], ".850 (no width)", id="no width"),
    ],
)
def test_no_mark_says_that_the_paper_differs(weights, images, ends, text):
    path = weights / "metrics" / "yolov5s_allidb1_test.json"
    metrics = json.loads(path.read_text()) | {"images": images}
    metrics["classes"]["blast"]["ap50"] = 0.85
    metrics["intervals"]["blast.ap50"] = ends
    path.write_text(json.dumps(metrics))
    table = wide_table(table_1(weights)).set_index(["Model", "Cells"])
    assert table.loc[("YOLOv5s", "Blasts"), "AP@0.5 as YOLOv5 counts, ours (95 %)"] == text
    assert not any("excludes" in name for name in long_table(table_1(weights)))
