"""The race for the fastest runtime, with engines of the test and a clock that they move."""

import json
import os
import threading
import time

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.engines import opening
from allcell.engines.choosing import choices, fastest
from allcell.engines.choosing.agreement import LIVE, STILLS, difference
from allcell.engines.choosing.choices import BusyError, Contender, RuntimeChoice
from allcell.engines.choosing.race import race
from allcell.errors import DeviceError, ModelError
from allcell.models.registry import get_spec
from allcell.settings import Settings
from tests.held_engine import SPEC

ONNX, SMALL = (
    Contender(runtime="onnx", precision="full"),
    Contender(runtime="onnx", precision="int8"),
)
HALF, FULL, TINY = (Contender(runtime="openvino", precision=p) for p in ("bf16", "full", "int8"))
STILL_ONES, LIVE_ONES = (ONNX, HALF, FULL), (SMALL, ONNX, HALF, TINY, FULL)


class Clock:
    """Seconds that only engines move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Engine:
    """Takes some milliseconds of the clock, and sees one blast with some confidence."""

    def __init__(self, clock, title, ms=10.0, score=0.9, moved_px=0.0):
        self.clock, self.title, self.ms, self.score, self.moved_px = (
            clock,
            title,
            ms,
            score,
            moved_px,
        )
        self.note = ""

    @property
    def description(self):
        return " · ".join(filter(None, (self.title, self.note)))

    def run(self, image):
        self.clock.now += self.ms / 1000
        output = np.zeros((4 + len(SPEC.classes), 1), np.float32)
        output[:5, 0] = (300 + self.moved_px, 100, 40, 40, self.score)
        return output

    def interrupt(self):
        return False


class Opener:
    """Opens engines as told; counts.

    Args:
        told: By contender: arguments of `Engine`, or an error to raise.
        opening_s: Time that opening one of OpenVINO's takes.
    """

    def __init__(self, told=None, opening_s=0.1):
        self.told, self.opening_s = told or {}, opening_s
        self.clock = Clock()
        self.opened = []

    def __call__(self, who):
        self.opened.append(who)
        if who.runtime == "openvino":
            self.clock.now += self.opening_s
        told = self.told.get(who, {})
        if isinstance(told, (Exception, KeyboardInterrupt)):
            raise told
        if callable(told):
            return told()
        return Engine(self.clock, who.title, **told)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    there = Settings(cache_dir=tmp_path)
    monkeypatch.setattr(choices, "settings", lambda: there)
    return tmp_path


def run_race(opener, those=STILL_ONES, *, stream=False, ended_in=()):
    mark = choices.Mark(choices.Path(os.devnull), list(ended_in))
    mark.trying = lambda title: None
    return race(SPEC, those, opener, stream=stream, mark=mark, clock=opener.clock)[0]


def open_it(opener, those=STILL_ONES, **how):
    return fastest.open_fastest(
        SPEC,
        those,
        opener,
        **({"stream": False, "hashes": ["f00"], "threads": 1, "clock": opener.clock} | how),
    )


@pytest.mark.parametrize(
    ("stream", "has_int8", "has_openvino", "expected"),
    [
        pytest.param(False, True, True, (ONNX, FULL), id="stills: 32 bits alone"),
        pytest.param(True, True, True, LIVE_ONES, id="live: everything"),
        pytest.param(True, False, True, STILL_ONES, id="live, no 8-bit graph"),
        pytest.param(False, True, False, (ONNX,), id="no OpenVINO: nothing to choose"),
        pytest.param(True, True, False, (SMALL, ONNX), id="live, no OpenVINO: 8 bits may be slow"),
    ],
)
def test_who_takes_part(stream, has_int8, has_openvino, expected):
    assert (
        fastest.contenders(stream=stream, has_int8=has_int8, has_openvino=has_openvino) == expected
    )


@pytest.mark.parametrize(
    ("told", "chosen", "left_out"),
    [
        pytest.param({HALF: {"ms": 5}}, HALF, {FULL: "half the work"}, id="faster and the same"),
        pytest.param({HALF: {"ms": 9.8}}, ONNX, {FULL: "half the work"}, id="2 %: could be noise"),
        pytest.param(
            {HALF: {"ms": 5, "score": 0.85}, FULL: {"ms": 8}},
            FULL,
            {HALF: "confidence that is 0.05 off"},
            id="fastest, but another confidence",
        ),
        pytest.param(
            {HALF: {"ms": 5, "moved_px": 3}, FULL: {"ms": 11}},
            ONNX,
            {HALF: "overlap of 0.86"},
            id="fastest, but another box; the other one is slower",
        ),
        pytest.param(
            {HALF: DeviceError("No bfloat16 here."), FULL: {"ms": 8}},
            FULL,
            {HALF: "No bfloat16 here."},
            id="one cannot be opened",
        ),
        pytest.param(
            {HALF: ModelError("Broken."), FULL: ModelError("Broken.")},
            ONNX,
            {HALF: "Broken.", FULL: "Broken."},
            id="OpenVINO does not work at all",
        ),
    ],
)
def test_the_fastest_that_sees_the_same_is_chosen_for_stills(told, chosen, left_out):
    choice = run_race(Opener(told))
    assert choice.chosen == chosen
    assert set(choice.left_out) == {who.title for who in left_out}
    for who, why in left_out.items():
        assert why in choice.left_out[who.title]
    assert not choice.out_of_time


def test_live_video_takes_what_stills_refuse_but_nothing_that_is_made_up():
    told = {
        SMALL: {"ms": 8, "score": 0.7},
        TINY: {"ms": 4, "score": 0.7},
        HALF: {"ms": 3, "moved_px": 30},
    }
    choice = run_race(Opener(told), LIVE_ONES, stream=True)
    assert choice.chosen == TINY
    assert "overlap" in choice.left_out[HALF.title]


def test_if_todays_way_cannot_be_opened_that_is_the_error():
    with pytest.raises(ModelError, match="missing"):
        run_race(Opener({ONNX: ModelError("The weight file is missing.")}))


def test_a_slow_machine_stops_after_two_seconds_and_says_what_was_not_tried():
    opener = Opener({HALF: {"ms": 300, "score": 0.5}, ONNX: {"ms": 300}}, opening_s=0.6)
    choice = run_race(opener)
    assert choice.left_out[FULL.title] == "time was up"
    assert choice.out_of_time
    assert opener.opened == [ONNX, HALF]
    # Two golden fields each, and the least number of rounds.
    assert choice.seconds < 2.9


def test_what_ended_the_program_twice_is_left_alone():
    opener = Opener({HALF: {"ms": 1}})
    assert run_race(opener, ended_in=[HALF.title]).chosen == HALF
    opener = Opener({HALF: {"ms": 1}, FULL: {"ms": 8}})
    choice = run_race(opener, ended_in=[HALF.title] * 2)
    assert choice.chosen == FULL
    assert HALF not in opener.opened
    assert "ended" in choice.left_out[HALF.title]


def test_a_choice_is_kept_and_said(cache):
    opener = Opener({HALF: {"ms": 5}})
    first = open_it(opener)
    assert first.description.startswith("OpenVINO bf16 · fastest of 2, measured in ")
    opener.opened.clear()
    assert open_it(opener).description == "OpenVINO bf16 · fastest of 2"
    assert opener.opened == [HALF]
    (kept,) = choices.all_kept()
    assert kept.chosen == HALF
    assert not list(cache.rglob("*.racing"))
    assert not list(cache.rglob("*.part"))


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"hashes": ["another"]}, id="another file"),
        pytest.param({"threads": 2}, id="other threads"),
        pytest.param({"stream": True}, id="another purpose"),
    ],
)
def test_what_was_measured_of_something_else_does_not_count(cache, how):
    opener = Opener()
    open_it(opener)
    opener.opened.clear()
    open_it(opener, **how)
    assert ONNX in opener.opened
    assert len(opener.opened) > 1


@pytest.mark.parametrize("what", ["machine_name", "installed_versions"])
def test_another_processor_or_version_is_measured_anew(cache, monkeypatch, what):
    opener = Opener()
    open_it(opener)
    opener.opened.clear()
    other = {"onnxruntime": "99"} if what == "installed_versions" else "another, 2 cores"
    monkeypatch.setattr(fastest, what, lambda: other)
    open_it(opener)
    assert len(opener.opened) > 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"model": "live", "chos', id="cut off"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b'{"chosen": {"runtime": "abacus"}}', id="something else"),
    ],
)
def test_a_broken_choice_is_measured_anew(cache, content):
    open_it(Opener({HALF: {"ms": 5}}))
    (path,) = (cache / "runtimes").glob("*.json")
    path.write_bytes(content)
    opener = Opener({HALF: {"ms": 5}})
    assert "measured in" in open_it(opener).description
    assert json.loads(path.read_text())["chosen"]["precision"] == "bf16"


def test_a_choice_that_can_no_longer_be_opened_is_measured_anew(cache):
    open_it(Opener({HALF: {"ms": 5}}))
    broken = Opener({HALF: ModelError("OpenVINO cannot open it."), FULL: ModelError("Nor this.")})
    assert open_it(broken).description.startswith("ONNX Runtime 32-bit")
    (kept,) = choices.all_kept()
    assert kept.chosen == ONNX
    assert "cannot open it" in kept.left_out[HALF.title]


def test_where_nothing_can_be_kept_nothing_is_measured(tmp_path, monkeypatch):
    # A read-only folder would not stop root, on which CI runs.
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(choices, "settings", lambda: Settings(cache_dir=tmp_path / "file" / "c"))
    opener = Opener({HALF: {"ms": 5}})
    assert open_it(opener).description == "ONNX Runtime 32-bit"
    assert opener.opened == [ONNX]
    assert choices.all_kept() == []


def test_a_full_disk_costs_the_choice_only(cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    opener = Opener({HALF: {"ms": 5}})
    with monkeypatch.context() as patch:
        patch.setattr(choices, "write_whole", full)
        assert open_it(opener).description.startswith("OpenVINO bf16")
    assert choices.all_kept() == []


def test_while_another_process_measures_todays_way_is_taken(cache):
    opener = Opener({HALF: {"ms": 5}})
    path = fastest.choice_file(SPEC, stream=False, hashes=["f00"], threads=1)
    with choices.racing(path):
        with pytest.raises(BusyError), choices.racing(path):
            pass
        assert open_it(opener).description == "ONNX Runtime 32-bit"
        assert opener.opened == [ONNX]
    assert "measured in" in open_it(opener).description


def test_a_race_given_up_half_way_leaves_nothing_and_the_next_one_is_whole(cache):
    with pytest.raises(KeyboardInterrupt):
        open_it(Opener({HALF: KeyboardInterrupt()}))
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert open_it(Opener({HALF: {"ms": 5}})).description.startswith("OpenVINO bf16")


@pytest.mark.child
def test_a_race_whose_process_was_killed_is_run_again_and_knows_what_was_tried(cache):
    def killed():
        os._exit(9)

    path = fastest.choice_file(SPEC, stream=False, hashes=["f00"], threads=1)
    mark = path.with_suffix(".racing")
    for time_round in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                open_it(Opener({HALF: killed}))
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
        assert json.loads(mark.read_text())["trying"] == HALF.title
        assert json.loads(mark.read_text())["ended_in"] == [HALF.title] * time_round
        # Until the mark is old, nobody can know that the process is gone.
        waiting = Opener()
        open_it(waiting)
        assert waiting.opened == [ONNX]
        an_hour_ago = time.time() - 3600
        os.utime(mark, (an_hour_ago, an_hour_ago))
    opener = Opener({HALF: killed, FULL: {"ms": 5}})
    assert open_it(opener).description.startswith("OpenVINO 32-bit")
    assert HALF not in opener.opened
    assert not mark.exists()


def test_threads_that_open_a_model_at_once_race_once(cache):
    opener = Opener({HALF: {"ms": 5}})
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(open_it(opener).description)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("measured in" in text for text in found) == 1
    assert all(text.startswith("OpenVINO bf16") for text in found)


def test_a_race_that_ran_out_of_time_gets_two_more(cache):
    def slow():
        return Opener({HALF: {"ms": 300, "score": 0.5}, ONNX: {"ms": 300}}, opening_s=0.6)

    raced = []
    for _ in range(4):
        opener = slow()
        raced.append("measured in" in open_it(opener).description)
    assert raced == [True, True, True, False]
    (kept,) = choices.all_kept()
    assert kept.tries == 3


@pytest.mark.parametrize(
    ("score", "moved_px", "tolerance", "differs"),
    [
        pytest.param(0.9, 0, STILLS, False, id="the same"),
        pytest.param(0.875, 0, STILLS, False, id="bfloat16's rounding"),
        pytest.param(0.85, 0, STILLS, True, id="more than that"),
        pytest.param(0.85, 0, LIVE, False, id="8 bits"),
        pytest.param(0.9, 2, STILLS, False, id="2 of 40 px off"),
        pytest.param(0.9, 3, STILLS, True, id="3 px off"),
        pytest.param(0.0, 0, STILLS, True, id="the cell is missing"),
        pytest.param(0.0, 0, LIVE, True, id="the cell is missing in live video"),
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["missing here", "made up there"])
def test_how_far_answers_may_lie_apart(score, moved_px, tolerance, differs, turned):
    def one(score, moved_px):
        box = np.array([[280 + moved_px, 80, 320 + moved_px, 120]], np.float32)
        found = Detections(box, np.array([score], np.float32), np.zeros(1, np.int64))
        return found.at_least(0.05)

    pair = [one(0.9, 0), one(score, moved_px)]
    if turned:
        pair.reverse()
    assert bool(difference(*pair, 0.4, tolerance)) is differs


@pytest.mark.parametrize(
    ("healthy", "differs"),
    [
        pytest.param((0.40, 0.42), False, id="as likely, and the other one is the likelier now"),
        pytest.param((0.40, 0.46), True, id="another class"),
    ],
)
def test_classes_are_compared_one_by_one(healthy, differs):
    boxes = np.array([[0, 0, 40, 40]] * 2, np.float32)
    pair = [
        Detections(boxes, np.array([0.41, score], np.float32), np.array([0, 1]))
        for score in healthy
    ]
    assert bool(difference(*pair, 0.3, STILLS)) is differs


def test_openvino_that_is_missing_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(opening, "has_openvino", lambda: False)
    with pytest.raises(ModelError, match=r"OpenVINO is not installed.*Install"):
        opening.open_engine(get_spec("live"), device="cpu", runtime="openvino")
    with pytest.raises(ModelError, match="not installed"):
        opening.open_engine(get_spec("live"), device="intel-gpu", runtime="openvino")


def test_without_openvino_nothing_is_measured_for_stills(monkeypatch, cache):
    monkeypatch.setattr(opening, "has_openvino", lambda: False)
    monkeypatch.setattr(opening, "settings", lambda: Settings(runtime="auto"))
    engine = opening.open_engine(get_spec("live"), device="cpu")
    assert engine.description.endswith("CPU")
    assert choices.all_kept() == []


@pytest.mark.parametrize(
    ("how", "message"),
    [
        pytest.param({"runtime": "abacus"}, "no runtime 'abacus'", id="unknown runtime"),
        pytest.param({"device": "intel-gpu", "runtime": "onnx"}, "cannot use", id="not for it"),
        pytest.param({"runtime": "onnx", "precision": "bf16"}, "bf16 needs", id="bf16 in ONNX"),
        pytest.param(
            {"runtime": "torch", "precision": "int8"}, "int8 does not", id="int8 in torch"
        ),
    ],
)
def test_what_does_not_go_together_is_refused(how, message):
    with pytest.raises((ModelError, DeviceError), match=message):
        opening.open_engine(get_spec("live"), **({"device": "cpu"} | how))


def test_a_choice_is_readable_by_people(cache):
    open_it(Opener({HALF: {"ms": 5}}))
    (path,) = (cache / "runtimes").glob("*.json")
    assert path.name.startswith("live-stills-")
    kept = RuntimeChoice.model_validate_json(path.read_text())
    assert kept.milliseconds == {"ONNX Runtime 32-bit": 10.0, "OpenVINO bf16": 5.0}
