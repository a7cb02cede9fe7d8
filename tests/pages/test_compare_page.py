"""The Compare page through app.py, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from allcell.data.laboratories import LABORATORIES
from allcell.models.left_out import left_out_dir
from allcell.models.registry import MODELS
from allcell.models.weights import read_manifest, write_manifest
from allcell.report.paper import FOOTNOTES
from allcell.settings import settings
from allcell.text.words import BOTH_APS
from allcell.ui.shell.kept_metrics import SIZE

ROOT = Path(__file__).resolve().parents[2]


def show(app: AppTest, tab: str = "Published and measured") -> AppTest:
    """The page with one of its tabs open."""
    app.session_state["compare.tab"] = tab
    app.run().switch_page("pages/compare.py").run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    """Everything the page says."""
    groups = (app.title, app.subheader, app.markdown, app.caption, app.info, app.warning)
    return "\n".join(str(element.value) for group in groups for element in group)


def table_1(app: AppTest) -> Any:
    """Table 1 of the page, the title of a score before that of its column."""
    table = app.dataframe[0].value
    return table.set_axis([", ".join(filter(None, titles)) for titles in table], axis="columns")


@pytest.fixture
def weights(tmp_path: Path, limits: Any) -> Path:
    """A copy of the manifest and the metrics, to be changed."""
    shutil.copy(settings().weights_dir / "manifest.json", tmp_path)
    shutil.copytree(settings().weights_dir / "metrics", tmp_path / "metrics")
    left_out_dir(tmp_path).mkdir()
    limits(weights_dir=tmp_path, cache_dir=tmp_path / "cache")
    return tmp_path


def test_table_1_names_every_model_and_every_footnote(app: AppTest) -> None:
    show(app)
    said = texts(app)
    for note in FOOTNOTES:
        assert note in said
    for spec in MODELS:
        assert spec.title in said
        assert spec.unlike_paper in said
    table = table_1(app)
    assert set(table["Model"]) == {spec.title for spec in MODELS}
    assert "99.22 % = 128 of 129" in said


def test_the_table_follows_the_json(app: AppTest, weights: Path) -> None:
    path = weights / "metrics" / "live_allidb1_test.json"
    metrics = json.loads(path.read_text())
    metrics["classes"]["blast"]["ap50"] = 0.4321
    metrics["intervals"]["blast.ap50"] = [0.4, 0.5]
    path.write_text(json.dumps(metrics))
    table = table_1(show(app))
    row = table[(table["Model"] == "allcell live") & (table["Cells"] == "Blasts")].iloc[0]
    assert row["AP@0.5 as YOLOv5 counts, ours (95 %)"] == ".432 (.400 to .500)"


def test_models_without_numbers_are_named(app: AppTest, weights: Path) -> None:
    (weights / "metrics" / "yolov7_allidb1_test.json").unlink()
    assert "Not measured with the weights that are here: YOLOv7-tiny." in texts(show(app))


def test_other_laboratories_never_seen_beside_shipped_and_all_detectors(
    app: AppTest, weights: Path
) -> None:
    name, part = "live-without-taleqani", "taleqani_test"
    metrics = json.loads((weights / "metrics" / "live_allidb1_test.json").read_text())
    at = {"tp": 77, "fp": 8, "fn": 23, "precision": 77 / 85, "recall": 0.77}
    metrics["classes"]["blast"]["at_operating_point"] = at
    (weights / "metrics" / f"{name}_{part}.json").write_text(json.dumps(metrics))
    facts = {
        "recipe": {"model": "live", "validation": "allidb1"},
        "training_fields": {"allidb1": 1, "bccd": 1, "pbc": 1, "chula": 1},
        "start": "random weights",
    }
    (weights / "metrics" / f"{name}_training.json").write_text(json.dumps(facts))
    write_manifest(left_out_dir(weights), {name: read_manifest(weights)["live"]})
    (weights / "metrics" / f"live_{part}.json").unlink()
    show(app, "Other laboratories")
    assert "expect it to find about 77 of 100 blasts" in texts(app)
    table = app.dataframe[0].value.set_index("Laboratory")
    assert table.loc["Taleqani"]["Blasts found, never saw it"].startswith(".770 (")
    assert table.loc["Taleqani"]["Blasts found, allcell live"] == "not measured yet"
    assert table.loc["PBC"]["Blasts found, allcell live"] == "no blasts"
    assert len(app.get("plotly_chart")) == 1
    app.button_group[0].set_value("every")
    every = app.run().dataframe[0].value
    assert not app.exception
    assert len(every) == len(LABORATORIES) * (len(MODELS) + 1)
    seen = every[every["Model"] == "YOLOv7-tiny"].set_index("Laboratory")["Has seen it"]
    assert (seen["BCCD"], seen["Taleqani"]) == ("yes", "never")
    app.button_group[1].set_value("false_blasts_per_field")
    app.run()
    assert not app.exception


def test_classes_and_scores_can_be_left_out(app: AppTest) -> None:
    show(app)
    classes, scores = app.button_group[:2]
    classes.set_value(["blast"])
    scores.set_value(["ap50"])
    table = table_1(app.run())
    assert set(table["Cells"]) == {"Blasts"}
    scores, name = ["paper", "ours (95 %)"], "AP@0.5 as YOLOv5 counts"
    assert list(table.columns) == ["Model", "Cells", SIZE, *(f"{name}, {s}" for s in scores)]
    sizes = dict(zip(table["Model"], table[SIZE], strict=True))
    files = read_manifest(settings().weights_dir)["yolov5s"]
    assert sizes["YOLOv5s"] == (
        f"{files.parameters / 1e6:.1f} M, {files.checkpoint.bytes / 1e6:.1f} MB"
    )


def test_errors_are_told_by_kind_and_by_field(app: AppTest) -> None:
    show(app, "Curves and threshold")
    counts, kinds, fields = (table.value for table in app.dataframe[:3])
    assert list(kinds["Model"]) == list(counts["Model"])
    assert list(kinds)[1:] == [
        "Missed",
        "Wrong class",
        "Off centre",
        "Doubled",
        "Background",
        "All",
    ]
    assert (kinds.iloc[:, 1:6].sum(axis=1) == kinds["All"]).all()
    first = counts.iloc[0]
    assert (fields["False alarms"].sum(), fields["Missed"].sum(), fields["Cells"].sum()) == (
        first["False alarms (fp)"],
        first["Missed (fn)"],
        78,
    )
    wrong = fields["False alarms"] + fields["Missed"]
    assert wrong.is_monotonic_decreasing
    assert len(fields) == 17


def test_few_models_have_bands_and_many_say_how_to_get_them(app: AppTest) -> None:
    show(app, "Curves and threshold")
    said = "Choose 3 models or fewer to see the 95 % band of each curve."
    assert said in texts(app)
    app.button_group[0].set_value(["live", "yolov5s"])
    app.run()
    assert not app.exception
    assert said not in texts(app)
    drawn = [json.loads(chart.proto.spec)["data"] for chart in app.get("plotly_chart")[:4]]
    for traces in drawn[:3]:
        bands = [t["name"] for t in traces if t.get("fill") == "toself"]
        assert bands == ["allcell live, 95 %", "YOLOv5s, 95 %"]
    for trace in drawn[3]:
        sizes = trace["marker"]["size"]
        boxes = [n for _, n in trace["customdata"]]
        assert sizes[boxes.index(max(boxes))] == max(sizes) > min(sizes)
        # A share of 3 in 7 has a longer bar than one of 700.
        spans = [
            a + b
            for a, b in zip(*(trace["error_y"][k] for k in ("array", "arrayminus")), strict=True)
        ]
        assert spans[boxes.index(min(boxes))] > spans[boxes.index(max(boxes))]


def test_ap_as_shown_stands_beside_the_papers_and_both_are_explained(app: AppTest) -> None:
    table = table_1(show(app))
    row = table[(table["Model"] == "YOLOv5s") & (table["Cells"] == "Blasts")].iloc[0]
    path = settings().weights_dir / "metrics" / "yolov5s_allidb1_test.json"
    blast = json.loads(path.read_text())["classes"]["blast"]
    for score, name in (("ap50", "as YOLOv5 counts"), ("ap50_as_shown", "as shown")):
        shown = f"{blast[score]:.3f}".removeprefix("0")
        assert row[f"AP@0.5 {name}, ours (95 %)"].startswith(shown), name
    assert texts(app).count(BOTH_APS) == 1


def test_models_are_compared_by_ap_as_shown_first(app: AppTest) -> None:
    show(app, "Real differences?")
    score = app.selectbox[0]
    names = ["Blasts, AP@0.5 as shown", "Blasts, AP@0.5 as YOLOv5 counts"]
    assert score.options[0] == names[0]
    assert score.help == BOTH_APS
    tables = []
    for name in names:
        app.selectbox[0].select(name).run()
        tables.append(app.dataframe[0].value)
    assert not tables[0].equals(tables[1])


def test_a_comparison_of_a_version_without_ap_as_shown_is_read(app: AppTest, weights: Path) -> None:
    path = weights / "metrics" / "comparison_allidb1_test.json"
    path.write_text(path.read_text().replace("_as_shown", "_unknown"))
    show(app, "Real differences?")
    assert app.selectbox[0].options[0] == "Blasts, AP@0.5 as YOLOv5 counts"


def test_one_threshold_moves_the_counts(app: AppTest) -> None:
    show(app, "Curves and threshold")
    before = app.dataframe[0].value
    app.slider[0].set_value(0.85)
    after = app.run().dataframe[0].value
    assert set(after["Threshold"]) == {0.85}
    assert (after["Missed (fn)"] > before["Missed (fn)"]).all()
    app.toggle[0].set_value(True)
    own = app.run().dataframe[0].value
    assert list(own["Threshold"]) == [spec.confidence for spec in MODELS]
    for spec, found in zip(MODELS, own["Found (tp)"], strict=True):
        path = settings().weights_dir / "metrics" / f"{spec.name}_allidb1_test.json"
        counts = json.loads(path.read_text())["classes"]["blast"]["at_operating_point"]
        assert found == counts["tp"]


def test_pairs_say_whether_a_difference_is_decisive(app: AppTest, weights: Path) -> None:
    path = weights / "metrics" / "comparison_allidb1_test.json"
    comparison = json.loads(path.read_text())
    for difference in comparison["differences"]:
        difference["decisive"] = False
    path.write_text(json.dumps(comparison))
    pairs = len(MODELS) * (len(MODELS) - 1) // 2
    assert f"No decisive difference among {pairs} pairs" in texts(show(app, "Real differences?"))
    first = comparison["differences"][0]
    first |= {"decisive": True, "value": 0.2, "interval": [0.1, 0.3]}
    path.write_text(json.dumps(comparison))
    app.run()
    assert f"Decisive in 1 of {pairs} pairs: allcell live over YOLOv5s." in texts(app)
    assert app.dataframe[0].value.loc["YOLOv5s", "allcell live"] == "-0.200 ● (-0.300 to -0.100)"


def test_what_is_near_the_line_is_on_the_edge_and_the_family_is_named(
    app: AppTest, weights: Path
) -> None:
    path = weights / "metrics" / "comparison_allidb1_test.json"
    comparison = json.loads(path.read_text()) | {"draws": 50_000}
    for difference in comparison["differences"]:
        difference |= {"decisive": False, "edge": False, "p": 0.3, "p_adjusted": 1.0}
    first, second = comparison["differences"][:2]
    first |= {"edge": True, "value": 0.2, "interval": [0.1, 0.3], "p_adjusted": 0.06}
    second |= {"value": 0.2, "p": 0.003, "p_adjusted": 0.4}
    path.write_text(json.dumps(comparison))
    said = texts(show(app, "Real differences?"))
    assert "15 pairs of models. On the edge: allcell live over YOLOv5s.**" in said
    assert app.dataframe[0].value.loc["allcell live", "YOLOv5s"].startswith("+0.200 ○ (")
    everything = len(comparison["differences"])
    assert f"0.003 by itself, 0.400 as one of {everything} comparisons." in said
    assert f"over all {everything} comparisons of this page (15 pairs in each of 15 scores)" in said
    assert "50,000 resamples of the 17 ALL-IDB1 test fields" in said
    assert "78 blasts in 7 fields, effectively 4 (32 of them in one)" in said
    assert "earlier version" not in said


def test_a_comparison_adjusted_score_by_score_says_that_it_is_old(
    app: AppTest, weights: Path
) -> None:
    path = weights / "metrics" / "comparison_allidb1_test.json"
    comparison = json.loads(path.read_text())
    comparison.pop("draws", None)
    path.write_text(json.dumps(comparison))
    assert "Compared by an earlier version" in texts(show(app, "Real differences?"))


def test_an_interval_without_width_is_not_shown(app: AppTest, weights: Path) -> None:
    path = weights / "metrics" / "comparison_allidb1_test.json"
    comparison = json.loads(path.read_text())
    first, second = comparison["differences"][:2]
    first |= {"value": 0.0, "interval": [0.0, 0.0], "p_adjusted": 1.0, "decisive": False}
    second |= {"value": 0.2, "interval": None, "p": None, "p_adjusted": None, "decisive": False}
    path.write_text(json.dumps(comparison))
    one = weights / "metrics" / "live_allidb1_test.json"
    metrics = json.loads(one.read_text())
    every = {"tp": 29, "fp": 3, "fn": 0, "precision": 29 / 32, "recall": 1.0}
    metrics["classes"]["healthy"] |= {"recall": 1.0, "at_best_f1": every}
    metrics["intervals"]["healthy.recall"] = [1.0, 1.0]
    one.write_text(json.dumps(metrics))
    table = show(app, "Real differences?").dataframe[0].value
    titles = {spec.name: spec.title for spec in MODELS}
    for d, words in ((first, "+0.000 (no width)"), (second, "+0.200 (n/a)")):
        assert table.loc[titles[d["first"]], titles[d["second"]]] == words
    assert "pairs 1 cannot be decided: too few resamples define it" in texts(app)
    live = tab_table(app).set_index(["Model", "Cells"]).loc["allcell live"]
    shown = live.loc["Healthy white cells", "R, ours (95 %)"]
    assert shown == "1.000 (.881 to 1.000, exact)"
    assert "1.000 to 1.000)" not in tab_table(app).to_string()


def tab_table(app: AppTest) -> Any:
    """Table 1 of the page, opened."""
    app.session_state["compare.tab"] = "Published and measured"
    return table_1(app.run())


def test_whole_fields_that_cannot_be_told_apart_are_said_to_be_so(
    app: AppTest, weights: Path
) -> None:
    path = weights / "metrics" / "comparison_allidb1_test.json"
    comparison = json.loads(path.read_text())
    assert len(comparison["fields"]) == 28
    most = max(f["only_first"] + f["only_second"] for f in comparison["fields"])
    assert most < 11
    assert (
        "This test cannot be decisive here: with Holm's adjustment for 28 pairs, two models would "
        "have to differ on at least 11 of the 17 fields, all in favour of one, and these differ on "
        f"at most {most}." in texts(show(app, "Real differences?"))
    )
    comparison["fields"][0] |= {"only_first": 11, "only_second": 0, "p_adjusted": 0.03}
    path.write_text(json.dumps(comparison))
    app.run()
    assert "cannot be decisive here" not in texts(app)
    assert "**Decisive in 1 of 28 pairs.**" in texts(app)


def test_the_p_of_each_pair_can_be_seen(app: AppTest) -> None:
    kept = settings().weights_dir / "metrics" / "comparison_allidb1_test.json"
    shown = show(app, "Real differences?")
    control = next(c for c in shown.segmented_control if c.key == "compare.cells")
    control.set_value("p").run()
    assert not app.exception
    table = app.dataframe[0].value
    titles = {spec.name: spec.title for spec in MODELS}
    pairs = [
        d
        for d in json.loads(kept.read_text())["differences"]
        if d["measure"] == app.selectbox(key="compare.measure").value
    ]
    assert len(pairs) == len(MODELS) * (len(MODELS) - 1) // 2
    for d in pairs:
        first, second = titles[d["first"]], titles[d["second"]]
        p = "below 0.001" if d["p_adjusted"] < 0.001 else f"{d['p_adjusted']:.3f}"
        assert table.loc[first, second].rstrip(" ●○") == p
        assert table.loc[second, first] == table.loc[first, second]


def test_other_weights_than_the_compared_ones_are_named(app: AppTest, weights: Path) -> None:
    manifest = json.loads((weights / "manifest.json").read_text())
    manifest["yolov5s"]["checkpoint"]["sha256"] = "0" * 64
    (weights / "manifest.json").write_text(json.dumps(manifest))
    assert "other weights than those that are here: yolov5s" in texts(
        show(app, "Real differences?")
    )


@pytest.mark.child
def test_no_model_is_loaded_and_torch_stays_out() -> None:
    code = (
        "from streamlit.testing.v1 import AppTest\n"
        "import sys\n"
        "app = AppTest.from_file('app.py', default_timeout=60)\n"
        "app.run().switch_page('pages/compare.py').run()\n"
        "assert not app.exception\n"
        "assert len(app.dataframe)\n"
        "bad = {'torch', 'ultralytics'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_benchmark_that_waits_for_another_run_says_so(app: AppTest) -> None:
    from allcell.runs.speed import SpeedJob, SpeedRun

    app.session_state["compare.speed_run"] = SpeedRun(
        [SpeedJob("live", title="allcell live")], fail
    )
    app.session_state["compare.speed_run"].waits = True
    show(app, "Speed here")
    assert [p.proto.text for p in app.get("progress")] == ["Waits for another run on this computer"]


@pytest.mark.parametrize("score", ["ap50", "ap50_as_shown"])
def test_speed_here_is_drawn_against_ap_with_its_interval(app: AppTest, score: str) -> None:
    from allcell.benchmark import BenchmarkResult, Milliseconds
    from allcell.runs.speed import SpeedJob, SpeedRun

    run = SpeedRun([SpeedJob("yolov5s", title="YOLOv5s")], fail)
    times = [Milliseconds(9.0, 9.9)] * 5
    run.results[0] = BenchmarkResult(
        "yolov5s", "a runtime", "a machine", (1280, 720), (640, 352), 30, *times, 100.0, 1.1, 300.0
    )
    app.session_state["compare.speed_run"] = run
    app.session_state["compare.speed.score"] = score
    show(app, "Speed here")
    path = settings().weights_dir / "metrics" / "yolov5s_allidb1_test.json"
    metrics = json.loads(path.read_text())
    measured, (low, high) = (
        metrics["classes"]["blast"][score],
        metrics["intervals"][f"blast.{score}"],
    )
    (chart,) = app.get("plotly_chart")
    lines = {line["name"]: line for line in json.loads(chart.proto.spec)["data"]}
    # Times of the paper's GPU, at another size, have no place on this axis.
    assert list(lines) == ["YOLOv5s"]
    assert list(lines["YOLOv5s"]["y"]) == [measured]
    bar = lines["YOLOv5s"]["error_y"]
    assert (bar["array"], bar["arrayminus"]) == ([high - measured], [measured - low])
    assert lines["YOLOv5s"]["text"] == ["640x352 px"]
    paper = app.dataframe[1].value.set_index("Paper's model")
    assert list(paper.loc["YOLOv5s"]) == ["12.3", "81", "0.972"]
    assert texts(app).count(BOTH_APS) == 1


def fail(name: str) -> Any:
    raise AssertionError(f"{name} was opened")
