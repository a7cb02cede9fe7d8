"""The pages with pictures whose numbers are not to be trusted.

What speaks against a picture is set by its brightness: a dark one is no smear. The network behind
Detect sees two blasts, two healthy cells and a smudge in any picture (see `conftest`).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from allcell.cautions import WITHHELD, Caution
from allcell.classifier import FieldClassifier
from allcell.detector import Detector
from allcell.imaging.images import encode_png
from allcell.models.registry import get_classifier, get_spec
from allcell.ui.compare.side import runs as side_runs
from allcell.ui.detect import batch, correct, whole_fields, workspace
from allcell.ui.field import viewer
from allcell.ui.live import camera
from allcell.ui.live.camera import Link
from tests.pages.conftest import CountingEngine

NO_SMEAR = Caution("not_a_smear", "It is no smear.", "Use another picture.", withholds=True)
BLURRED = Caution("blurred", "It is blurred.", "Refocus.", withholds=True)
UNLIKE = Caution("unlike", "The stain is new to the model.", "Check each cell.")
MARK = "Not to be trusted: these numbers are shown because the user insisted. It is no smear."
INSIST = "detect.insist"
NO_NUMBERS = "No numbers for this picture"
#: A yes or no, a fraction, an interval or a class.
NUMBERS = ("Blasts suggested", "95 % interval", "66.7", "Highest confidence", "Suggested class")


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Caution, ...]]:
    """What is said of dark and of bright pictures; change it between runs."""
    said: dict[str, tuple[Caution, ...]] = {"dark": (NO_SMEAR, UNLIKE), "bright": ()}
    # The package's name is what whole fields are judged by.
    for place in ("allcell.analysis", "allcell.analysis.answers"):
        monkeypatch.setattr(
            f"{place}.picture_cautions",
            lambda image, scale, **_: said["dark" if image.mean() < 100 else "bright"],
        )
    return said


def png(shade: int) -> bytes:
    return encode_png(np.full((300, 400, 3), shade, np.uint8))


DARK, DARKER, BRIGHT, BRIGHTER = png(20), png(10), png(220), png(230)


def words(app: AppTest) -> str:
    groups = (app.subheader, app.markdown, app.caption, app.warning, app.info, app.error)
    return "\n".join(str(element.value) for group in groups for element in group)


def numbers(app: AppTest) -> list[str]:
    """What the page gives away of the answer."""
    text = words(app) + "\n".join(f"{m.label} {m.value}" for m in app.metric)
    return [word for word in NUMBERS if word in text] + [m.label for m in app.metric]


def show(app: AppTest, number: int) -> None:
    desk = app.session_state["allcell.bench"]
    desk.show(list(desk.pictures)[number])
    assert not app.run().exception


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the browser was last given to draw."""
    payloads: list[dict[str, Any]] = []
    payload = viewer._payload
    monkeypatch.setattr(
        viewer, "_payload", lambda field: payloads.append(payload(field)) or payloads[-1]
    )
    return payloads


def seen(field: dict[str, Any]) -> list[dict[str, Any]]:
    """The boxes that are drawn while the slider stands still."""
    return [box for box in field["boxes"] if box["confidence"] >= field["lowest"]]


def test_no_number_why_and_what_to_do(
    upload: Any, engine: Any, drawn: list[dict[str, Any]]
) -> None:
    app = upload(("dark.png", DARK))
    assert not app.exception
    assert numbers(app) == []
    assert app.subheader[0].value == NO_NUMBERS
    assert [w.value for w in app.warning] == ["**It is no smear.**  \nUse another picture."]
    notes = [i.value.split("  \n")[0] for i in app.info]
    assert notes == [
        "**The stain is new to the model.**",
    ], "a note is less than a warning, and what is no smear has no stain to speak of"
    assert "neither that there are some, nor that there are none" in words(app)
    assert not app.dataframe, "the table of cells names their classes"
    field = drawn[-1]
    assert {box["kind"] for box in field["boxes"]} == {WITHHELD}
    assert len(seen(field)) == 4, "what was boxed is still to be seen"
    assert field["styles"] == {
        WITHHELD: {"title": "Not counted", "colour": "#b0b0b0", "line": "solid"}
    }
    assert (field["labels"], field["scores"], field["badge"]) == (False, False, "")
    app.button_group(key="detect.classes.live").set_value(["healthy"]).run()
    assert len(seen(drawn[-1])) == 4, "hiding a class would tell which boxes are of it"


def test_the_user_may_insist_and_every_number_says_so(
    upload: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = upload(("dark.png", DARK))
    desks: list[dict[str, Any]] = []
    monkeypatch.setattr(correct, "show_desk", lambda session, data, **more: desks.append(data))
    app.button(key=INSIST).click().run()
    assert not app.exception
    assert "Blasts suggested: yes (not to be trusted)" in [s.value for s in app.subheader]
    shown = {m.label: str(m.value) for m in app.metric}
    assert shown["Not to be trusted: blast fraction of detected cells"] == "66.7\u00a0%"
    for part in (
        "These counts are not to be trusted.",
        "Highest confidence 0.90 (not to be trusted)",
        "9.4 to 99.2\u00a0% (not to be trusted)",
        "You asked for the numbers of this picture all the same. Every download says so.",
        "**It is no smear.**",
    ):
        assert part in words(app)
    [field] = desks[-1]["fields"]
    assert {label for _, _, _, label, *_ in field["cells"]} == {"blast", "healthy", "smudge"}
    assert field["badge"] == "Not to be trusted"
    assert MARK in words(app).replace("\\", ""), "above the table of cells"
    assert len(app.dataframe) == 1
    assert engine.runs == 1, "no model runs for it"
    app.button(key=INSIST).click().run()
    assert numbers(app) == []
    assert app.subheader[0].value == NO_NUMBERS


def test_it_holds_for_one_picture_and_the_reasons_that_were_shown(
    upload: Any, engine: Any, gate: dict[str, tuple[Caution, ...]]
) -> None:
    app = upload(("a.png", DARK), ("b.png", DARKER))
    app.button(key=INSIST).click().run()
    assert numbers(app)
    show(app, 1)
    assert numbers(app) == [], "another picture"
    show(app, 0)
    assert numbers(app)
    desk = app.session_state["allcell.bench"]
    first = next(iter(desk.pictures.values()))
    gate["dark"] = (NO_SMEAR, BLURRED)
    desk.memory.red_cells[first.digest] = 30.0
    app.run()
    assert numbers(app) == [], "a reason that the user has not seen"
    app.button(key="detect.clear").click().run()
    gate["dark"] = (NO_SMEAR,)
    assert numbers(upload(("a.png", DARK))) == [], "forgotten with the picture"


def test_a_good_picture_has_no_control_to_insist(upload: Any, engine: Any) -> None:
    app = upload(("bright.png", BRIGHT))
    assert "Blasts suggested" in numbers(app)
    assert not [b for b in app.button if b.key == INSIST]
    assert "trusted" not in words(app)


@pytest.mark.parametrize(
    ("files", "insist", "says", "not_said"),
    [
        pytest.param(
            [BRIGHT, BRIGHTER], None, "All 2 images together: 4 of 6", "left out", id="both good"
        ),
        pytest.param(
            [BRIGHT, DARK, BRIGHTER],
            None,
            "1 of 3 images left out: not to be trusted.",
            "All",
            id="one is left out",
        ),
        pytest.param(
            [BRIGHT, DARK, BRIGHTER], None, "2 images together: 4 of 6", "of 9", id="of the sum"
        ),
        pytest.param(
            [BRIGHT, DARK],
            None,
            "1 of 2 images left out: not to be trusted.",
            "together",
            id="no sum of one",
        ),
        pytest.param(
            [DARK, DARKER], None, "2 of 2 images left out: not to be trusted.", "together", id="all"
        ),
        pytest.param(
            [DARK, BRIGHT],
            0,
            "1 of them not to be trusted, and counted as you asked for it.",
            "left out",
            id="insisted",
        ),
    ],
)
def test_what_is_withheld_is_left_out_of_the_sum_and_said(
    upload: Any, engine: Any, files: list[bytes], insist: int | None, says: str, not_said: str
) -> None:
    app = upload(*((f"{n}.png", data) for n, data in enumerate(files)))
    if insist is not None:
        show(app, insist)
        app.button(key=INSIST).click().run()
    sums = [
        c.value
        for c in app.caption
        if "images" in c.value and ("tog" in c.value or "left" in c.value)
    ]
    assert says in sums[0]
    assert not_said not in sums[0]


def test_the_list_of_pictures_leaves_numbers_blank_and_says_why(upload: Any, engine: Any) -> None:
    app = upload(("a.png", BRIGHT), ("b.png", DARK))
    table = app.dataframe[0].value
    blank = ["Blasts", "White cells", "Blast %", "Smudges", "Highest blast confidence"]
    for column in blank:
        assert table[column].isna().tolist() == [False, True]
    assert table["Exact 95 % interval"][1] == ""
    note = table["Note"][1]
    assert note.startswith("Numbers withheld: not to be trusted. It is no smear.")
    show(app, 1)
    app.button(key=INSIST).click().run()
    table = app.dataframe[0].value
    assert table["Blasts"].tolist() == [2, 2]
    assert "shown because the user insisted" in table["Note"][1]


class Cancerous:
    """A network that calls every field cancerous at 1.00."""

    description = "stub"

    def run(self, image: Any) -> Any:
        return np.array([-9.0, 9.0], np.float32)


@pytest.fixture
def cnn(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = FieldClassifier(get_classifier("cnn"), Cancerous())
    for module in (whole_fields, side_runs):
        monkeypatch.setattr(module, "get_field_classifier", lambda name: classifier)


def test_a_black_picture_is_not_called_cancerous(upload: Any, engine: Any, cnn: None) -> None:
    app = upload(("black.png", DARK), ("bright.png", BRIGHT))
    app.toggle(key="detect.whole_field_models").set_value(True).run()
    app.selectbox[0].set_value("cnn").run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Suggested class of the field"]) == ["", "cancerous"]
    assert table["Probability of cancerous"].isna().tolist() == [True, False]
    assert "cancerous" not in words(app)
    assert not app.metric
    assert app.subheader[0].value == NO_NUMBERS
    app.button(key="detect.field.insist").click().run()
    assert "whole field: cancerous (not to be trusted)" in words(app)
    assert [(m.label, m.value) for m in app.metric] == [
        ("Not to be trusted: probability of cancerous", "1.00")
    ]


def test_models_that_disagree_on_a_picture_are_noted_on_detect(
    upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blind(CountingEngine):
        def run(self, image: Any) -> Any:
            return 0 * super().run(image)

    engines = {"live": CountingEngine(), "yolov6": Blind()}
    detectors = {name: Detector(get_spec(name), engine) for name, engine in engines.items()}
    monkeypatch.setattr(workspace, "get_detector", detectors.__getitem__)
    app = upload(("a.png", BRIGHT))

    def disagreements() -> list[str]:
        return [w.value for w in app.warning if "YOLOv6n" in w.value]

    assert not disagreements()
    app.selectbox[0].set_value("yolov6").run()
    [note] = disagreements()
    assert "allcell live suggests some, YOLOv6n suggests none." in note
    assert app.subheader[0].value == "Blasts suggested: no", "a note withholds nothing"
    app.selectbox[0].set_value("live").run()
    assert len(disagreements()) == 1, "whichever of them is shown"


@pytest.fixture
def compare(app: AppTest, upload: Any, monkeypatch: pytest.MonkeyPatch, cnn: None) -> Any:
    """Side by side with a picture that is open on Detect."""
    live = Detector(get_spec("live"), CountingEngine())
    monkeypatch.setattr(workspace, "get_detector", lambda name: live)
    monkeypatch.setattr(
        side_runs, "get_detector", lambda name: Detector(get_spec(name), CountingEngine())
    )

    def opened(data: bytes) -> AppTest:
        upload(("a.png", data))
        app.session_state["compare.tab"] = "Side by side"
        app.session_state["side.origin"] = "From Detect"
        app.run().switch_page("pages/compare.py").run()
        assert not app.exception
        return app

    return opened


def test_side_by_side_is_under_the_same_gate(compare: Any) -> None:
    app = compare(DARK)
    text = words(app)
    assert NO_NUMBERS in text
    assert "cancerous" not in text
    assert "Where the models disagree" not in text
    assert text.count("It is no smear.") == 1, "said once, not once a model"
    app.button(key="side.insist").click().run()
    assert not app.exception
    text = words(app)
    assert "**cancerous**" in text
    assert "(not calibrated, not to be trusted)" in text
    assert "Where the models disagree" in text


def test_side_by_side_shows_a_good_picture_as_before(compare: Any) -> None:
    text = words(compare(BRIGHT))
    assert "**cancerous**" in text
    assert "trusted" not in text
    assert "Where the models disagree" in text


@pytest.mark.slow
def test_the_frozen_picture_of_live_is_under_the_same_gate(
    app: AppTest, gate: dict[str, tuple[Caution, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "from_server", lambda *a, **k: Link(True, False))
    monkeypatch.setattr(camera, "from_browser", lambda *a, **k: Link(True, False))
    gate["bright"] = (BLURRED,)
    app.run().switch_page("pages/live.py").run()
    desk = app.session_state["allcell.live"]
    try:
        patience = time.monotonic() + 20
        while time.monotonic() < patience and not desk.viewer.snapshot():
            desk.newest()
            time.sleep(0.03)
        app.toggle(key="live.frozen").set_value(True).run()
        desk.newest()
        app.button(key="live.analyse").click().run()
        assert not app.exception
        subheaders = [s.value for s in app.subheader]
        assert NO_NUMBERS in subheaders
        assert not [s for s in subheaders if "Blasts suggested" in s]
        app.button(key="live.keep_frozen").click().run()
        captions = [c.value for c in app.caption if " UTC. " in c.value]
        assert captions[-1].endswith("UTC. Numbers withheld: not to be trusted.")
        app.button(key="live.frozen.insist").click().run()
        assert [s.value for s in app.subheader if "(not to be trusted)" in s.value]
    finally:
        desk.stop()


@pytest.mark.parametrize(
    ("found", "text"), [pytest.param([], "", id="nothing"), pytest.param([0], "", id="one")]
)
def test_one_picture_has_no_sum(found: list[Any], text: str) -> None:
    assert batch.together_text(found) == text
