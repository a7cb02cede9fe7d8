"""Models evaluated on a user's own set in the background: stop, errors, what is known before."""

import gc
import json
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

from allcell.classifier import FieldClassifier
from allcell.detector import Detector
from allcell.errors import ModelError
from allcell.evaluation.bundle import rescore
from allcell.models.registry import get_classifier
from allcell.runs import evaluation as user_run
from allcell.runs.evaluation import DetectorJob, EvaluationRun, FieldJob, UserSet
from allcell.runs.turn import turn
from allcell.ui.compare.your_data.bundle import bundle
from tests.held_engine import SPEC, Engine
from tests.user_sets import coco_files, coco_folder, packed

MAPPING = {"lymphoblast": "blast", "WBC": "healthy", "basket cell": "smudge"}
IMAGES = 3


def job(engine, name="live", sha256="0" * 64):
    spec = replace(SPEC, name=name)
    return DetectorJob(spec, sha256, "cpu", lambda: Detector(spec, engine))


class Judge:
    """Calls every field cancerous, but for the first."""

    description = "classifier of the test"

    def __init__(self):
        self.runs = 0

    def run(self, image):
        self.runs += 1
        return np.array([1.0, -1.0] if self.runs == 1 else [-1.0, 1.0], np.float32)


def field_job(engine):
    spec = get_classifier("cnn")
    return FieldJob(spec, "2" * 64, "cpu", lambda: FieldClassifier(spec, engine))


def user_set(folder=None, mapping=MAPPING):
    return UserSet("smears", "test", folder or coco_folder(IMAGES), mapping)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr("allcell.evaluation.scored.RESAMPLES", 20)
    monkeypatch.setattr("allcell.evaluation.bootstrap.COMPARED_DRAWS", 20)
    monkeypatch.setattr("allcell.evaluation.bootstrap.MORE_DRAWS", 20)


def finished(run):
    run.start()
    run.wait(60)
    assert not run.running
    return run


def test_all_models_are_scored_and_compared():
    run = finished(EvaluationRun(user_set(), [job(Engine()), job(Engine(), "other")]))
    assert not run.error
    assert not run.failures
    assert run.total_share == 1
    assert len(run.images) == IMAGES
    assert sorted(run.results) == [0, 1]
    result = run.results[0].result
    assert (result.data, result.split, result.images) == ("smears", "test", IMAGES)
    # File names stay out: they may be a patient's.
    assert [f.name for f in result.fields] == ["image-001", "image-002", "image-003"]
    assert {(d.first, d.second) for d in run.comparison.differences} == {("live", "other")}


def test_a_whole_field_model_is_compared_on_whole_fields():
    judge = Judge()
    run = finished(EvaluationRun(user_set(), [field_job(judge), job(Engine())]))
    assert not run.error
    assert run.done == 2
    assert run.fields[0].right == (False, True, True)
    right = run.results[1].result.right
    (pair,) = run.comparison.fields
    assert (pair.first, pair.second) == ("live", "cnn")
    assert pair.only_first == sum(
        r and not j for r, j in zip(right, run.fields[0].right, strict=True)
    )
    assert run.comparison.models == {"live": "0" * 64, "cnn": "2" * 64}
    assert not run.comparison.differences
    # The bundle holds boxes alone, and its numbers hold.
    assert rescore(bundle(run, named=False)).differing == []
    # Again: the same content is not judged again.
    again = finished(EvaluationRun(user_set(), [field_job(judge)], known=run.scores()))
    assert judge.runs == IMAGES
    assert again.fields[0].counts == run.fields[0].counts
    assert again.comparison is None


def test_stopping_keeps_the_models_that_are_done():
    gate = threading.Event()
    slow = Engine(gate)
    run = EvaluationRun(user_set(), [job(Engine()), job(slow, "other"), job(Engine(), "third")])
    run.start()
    assert slow.reached.wait(60)
    run.stop()
    gate.set()
    run.wait(60)
    assert not run.running
    assert run.stopped
    assert list(run.results) == [0]
    assert slow.runs == 1
    assert run.comparison is not None
    assert 0 < run.total_share < 1


def test_a_set_that_is_let_go_during_a_run_is_released_when_it_ends():
    gate = threading.Event()
    slow = Engine(gate)
    run = EvaluationRun(user_set(), [job(slow)])
    run.start()
    assert slow.reached.wait(60)
    held = weakref.ref(run.images[0])
    run.let_go()
    assert run.images, "the run still needs them"
    gate.set()
    run.wait(60)
    assert list(run.results) == [0], "and goes on"
    assert not run.images
    assert run.user_set.folder is None, "the archive is not kept for the whole session"
    gc.collect()
    assert held() is None


def test_results_and_comparison_appear_together(monkeypatch):
    """What a page reads at any moment of a run: a comparison is never of other models."""
    seen = []

    class Watched(EvaluationRun):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name in ("finished", "comparison", "results", "fields"):
                now = self.finished
                seen.append((len(now.results), now.comparison and len(now.comparison.models)))

    finished(Watched(user_set(), [job(Engine()), job(Engine(), "other")]))
    assert seen == [(0, None), (1, 1), (2, 2)]


def test_a_run_whose_tab_is_gone_ends_by_itself():
    gate = threading.Event()
    slow = Engine(gate)
    there = [True]
    run = EvaluationRun(user_set(), [job(slow)], is_open=lambda: there[0], gone_s=0.0)
    run.start()
    assert slow.reached.wait(60)
    there[0] = False
    gate.set()
    run.wait(60)
    assert not run.running
    assert run.stopped
    assert not run.results


@pytest.mark.parametrize("how", ["stopped", "the tab is gone"])
def test_a_model_that_does_not_answer_is_interrupted(how):
    slow = Engine(threading.Event(), free_runs=1)
    there = [True]
    run = EvaluationRun(
        user_set(), [job(Engine()), job(slow, "other")], is_open=lambda: there[0], gone_s=0.2
    )
    run.start()
    assert slow.reached.wait(60)
    if how == "stopped":
        run.stop()
    else:
        there[0] = False
    run.wait(10)
    assert not run.running
    assert run.stopped
    assert list(run.results) == [0]
    assert not run.failures
    assert not run.error


def test_stopping_leaves_the_run_of_another_on_the_same_model_alone():
    gate = threading.Event()
    shared = Engine(gate)
    detector = Detector(SPEC, shared)
    ended = []

    def other():
        detector.detect(np.zeros((64, 64, 3), np.uint8))
        ended.append("as it should")

    thread = threading.Thread(target=other)
    thread.start()
    assert shared.reached.wait(60)
    run = EvaluationRun(user_set(), [DetectorJob(SPEC, "0" * 64, "cpu", lambda: detector)])
    run.start()
    while run.images == ():
        run.wait(0.01)
    run.stop()
    run.wait(0.5)  # it queues behind the other
    assert not shared.given_up.is_set()
    gate.set()
    thread.join(10)
    run.wait(10)
    assert ended
    assert run.stopped
    assert not run.running


def test_a_model_that_fails_unforeseen_does_not_end_the_run():
    class Broken(Engine):
        def run(self, image):
            raise IndexError("too many indices")

    run = finished(EvaluationRun(user_set(), [job(Broken(), "other"), job(Engine())]))
    assert run.failures == {0: "The model failed (IndexError)."}
    assert list(run.results) == [1]
    assert not run.error


def test_a_tab_may_be_gone_for_a_moment():
    seen = iter([True, False, False, True])
    run = finished(EvaluationRun(user_set(), [job(Engine())], is_open=lambda: next(seen, True)))
    assert not run.stopped
    assert len(run.results) == 1


@pytest.mark.parametrize(
    ("at", "asked"),
    [
        pytest.param("read", ["read"], id="among the labels"),
        pytest.param("checked", ["read", "checked"], id="among the pictures"),
    ],
)
@pytest.mark.parametrize("gone", [False, True], ids=["by hand", "its tab is gone"])
def test_it_stops_while_the_set_is_read(at, asked, gone):
    there, seen, engine = [True], [], Engine()

    def is_open():
        what = "checked" if run.checked[0] else "read"
        seen.append(what)
        if what == at and getattr(run, at) == (2, IMAGES):
            there[0] = not gone
            if not gone:
                run.stop()
        return there[0]

    run = EvaluationRun(user_set(), [job(engine)], is_open=is_open, gone_s=-1.0)
    finished(run)
    assert run.stopped
    assert getattr(run, at) == (2, IMAGES)
    assert list(dict.fromkeys(seen)) == asked
    assert not run.images
    assert not run.error
    assert engine.runs == 0


@pytest.mark.parametrize("stop", [False, True])
def test_it_waits_for_another_run_on_this_computer_and_can_be_stopped_meanwhile(stop):
    waiting = threading.Event()
    run = EvaluationRun(
        user_set(), [job(Engine())], is_open=lambda: not run.waits or waiting.set() is None
    )
    with turn(lambda: None):
        run.start()
        assert waiting.wait(10)
        assert run.waits
        assert run.read == (0, 0)
        if stop:
            run.stop()
            run.wait(10)
            assert not run.running
    run.wait(60)
    assert not run.running
    assert not run.waits
    assert len(run.results) == (not stop)


def test_what_is_let_go_takes_its_archive_with_it():
    folder = coco_folder(IMAGES)
    archive = weakref.ref(folder.archive)
    run = finished(EvaluationRun(UserSet("smears", "test", folder, MAPPING), [job(Engine())]))
    del folder
    gc.collect()
    assert archive() is not None
    before = bundle(run, named=True)
    run.let_go()
    gc.collect()
    assert archive() is None
    # What is scored stays, by its names.
    assert rescore(bundle(run, named=True)).results == rescore(before).results
    assert run.names == tuple(f"field_{n}.png" for n in range(IMAGES))


def test_what_the_slider_needs_is_made_once_and_goes_with_the_scores():
    run = finished(EvaluationRun(user_set(), [job(Engine())]))
    evidence = run.results[0].evidence
    assert evidence.sweeps is evidence.sweeps
    assert len(evidence.sweeps) == len(evidence.user_matches)
    kept = weakref.ref(evidence)
    del run, evidence
    gc.collect()
    assert kept() is None


def test_the_pictures_are_hashed_once_for_all_models(monkeypatch):
    read = []
    monkeypatch.setattr(
        "allcell.evaluation.predictions.data_sha256", lambda *_: read.append(1) or ""
    )
    run = finished(EvaluationRun(user_set(), [job(Engine()), job(Engine(), "other")]))
    assert len(run.results) == 2
    assert not read


def test_a_model_that_cannot_be_opened_does_not_end_the_run():
    def broken():
        raise ModelError("It is broken.", "Mend it.")

    jobs = [DetectorJob(replace(SPEC, name="other"), "1" * 64, "cpu", broken), job(Engine())]
    run = finished(EvaluationRun(user_set(), jobs))
    assert run.failures == {0: "It is broken. Mend it."}
    assert list(run.results) == [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"images/field_1.png": b"no picture"}, "field_1.png", id="no picture"),
        pytest.param(
            {f"images/field_{n}.png": None for n in range(IMAGES)},
            "field_0.png is not in",
            id="all missing",
        ),
        pytest.param(
            {"annotations/instances_test.json": "{}"}, "not a COCO", id="no annotation file"
        ),
    ],
)
def test_a_set_that_cannot_be_read_ends_the_run_with_its_reason(change, message):
    from allcell.data.zipped import open_zip

    files = {k: v for k, v in {**coco_files(IMAGES), **change}.items() if v is not None}
    run = finished(EvaluationRun(user_set(open_zip(packed(files), "s.zip")), [job(Engine())]))
    assert message in run.error
    assert not run.results


def test_what_nobody_foresaw_is_told_too(monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("Jane Doe")

    monkeypatch.setattr(user_run, "read_labelled", fail)
    run = finished(EvaluationRun(user_set(), [job(Engine())]))
    assert run.error == "The evaluation failed (ZeroDivisionError)."


@pytest.mark.parametrize(
    ("own", "other", "again"),
    [
        pytest.param({}, {}, 0, id="the same content"),
        pytest.param({"mapping": {**MAPPING, "WBC": "smudge"}}, {}, IMAGES, id="another mapping"),
        pytest.param({"folder": coco_folder(2)}, {}, 2, id="other images"),
        pytest.param({}, {"sha256": "1" * 64}, IMAGES, id="other weights"),
        pytest.param({}, {"name": "other"}, IMAGES, id="another model"),
    ],
)
def test_only_what_is_new_is_run(own, other, again):
    first = finished(EvaluationRun(user_set(), [job(Engine())]))
    engine = Engine()
    run = finished(EvaluationRun(user_set(**own), [job(engine, **other)], known=first.scores()))
    assert engine.runs == again
    assert len(run.results) == 1


def test_a_known_score_takes_the_new_name():
    first = finished(EvaluationRun(user_set(), [job(Engine())]))
    other = replace(user_set(), name="renamed")
    run = finished(EvaluationRun(other, [job(Engine())], known=first.scores()))
    assert run.results[0].result.data == run.comparison.data == "renamed"
    assert run.results[0].predictions.setting.data == "renamed"


@pytest.mark.parametrize("named", [False, True])
def test_the_bundle_can_be_checked_and_says_no_more_than_asked(named, monkeypatch):
    run = finished(EvaluationRun(user_set(), [job(Engine()), job(Engine(), "other")]))
    content = bundle(run, named=named)
    again = rescore(content)
    assert again.differing == []
    text = json.dumps([json.loads(r.to_json()) for r in again.results])
    assert ("smears" in text) == named
    assert ("field_1" in text) == named


def test_a_run_that_has_ended_holds_no_model():
    run = EvaluationRun(user_set(), [job(Engine())])
    run.start()
    run.wait(30)
    assert run.results
    with pytest.raises(ModelError, match="has ended"):
        run.jobs[0].open_detector()
