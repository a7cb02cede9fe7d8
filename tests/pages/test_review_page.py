"""The Review page through app.py, without a browser: what the server makes of what the desk sends.

The network behind it (see `conftest`) sees in any image two blasts (0.90, 0.60), a healthy cell
(0.70) and a smudge (0.50) above its threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from allcell.imaging.images import encode_png
from allcell.records.store import case_store
from allcell.review.case_review import CaseReview
from allcell.review.counting import counts
from allcell.synth import FieldSpec, render
from allcell.ui.detect import cleared, correct
from allcell.ui.review import reviewed
from allcell.ui.reviewing import wire
from allcell.ui.reviewing.session import ReviewSession
from allcell.ui.sessions.who import actor
from allcell.ui.shell import frame

BLASTS, HEALTHY, SMUDGE = (1, 3), 2, 4


pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.fixture
def desks(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the Review page gave the browser, the last one last."""
    given: list[dict[str, Any]] = []
    show = reviewed.show_desk

    def listen(session: ReviewSession, data: dict[str, Any], **more: Any) -> None:
        given.append(data)
        show(session, data, **more)

    monkeypatch.setattr(reviewed, "show_desk", listen)
    return given


def session_of(app: AppTest) -> ReviewSession:
    """The review of the pictures on Detect."""
    found: ReviewSession = app.session_state["allcell.review"]
    return found


def sent(session: ReviewSession, *edits: dict[str, Any]) -> None:
    """What the browser sends for some edits, numbered as it does."""
    [one] = session.review.fields
    numbered = []
    for n, edit in enumerate(edits, session.seen + 1):
        cells = [f"{one.sha256}/{number}" for number in edit.get("cells", ())]
        numbered.append({"field": one.sha256, **edit, "n": n, "cells": cells})
    wire.take(session, {"epoch": session.epoch, "edits": numbered}, "reviewer")


def words(app: AppTest) -> str:
    """All running text of the page."""
    groups = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.error,
        app.warning,
        app.info,
    )
    return "\n".join(str(element.value) for group in groups for element in group)


@pytest.fixture
def review(
    upload: Callable[..., AppTest], engine: Any, smear: bytes, desks: list[dict[str, Any]]
) -> AppTest:
    """The Review page with one picture."""
    app = upload(("a.png", smear))
    app.switch_page("pages/review.py").run()
    assert not app.exception
    return app


def confirmed(review: CaseReview) -> tuple[int, int]:
    """Blasts and white cells that a person stands behind."""
    found = counts(review, "confirmed")
    return found.blasts, found.white_cells


def test_empty_page_leads_to_detect(app: AppTest) -> None:
    app.switch_page("pages/review.py").run()
    assert not app.exception
    assert "nothing to review yet" in words(app)
    assert "No case is kept here." in words(app)


def test_it_shows_what_detect_found(review: AppTest, desks: list[dict[str, Any]]) -> None:
    [field] = desks[-1]["fields"]
    cells = [(number, label, state) for number, _, _, label, state, *_ in field["cells"]]
    assert cells == [
        (1, "blast", "suggested"),
        (2, "healthy", "suggested"),
        (3, "blast", "suggested"),
        (4, "smudge", "suggested"),
    ]
    assert field["counted"]
    assert "**Not kept.** All of this is in memory only." in words(review)


EDITS: tuple[tuple[str, list[dict[str, Any]], tuple[int, int]], ...] = (
    ("confirm", [{"what": "confirm", "cells": [1, 2]}], (1, 2)),
    ("reclassify", [{"what": "reclassify", "cells": [2], "label": "blast"}], (1, 1)),
    ("remove", [{"what": "confirm", "cells": [1]}, {"what": "remove", "cells": [1]}], (0, 0)),
    ("add", [{"what": "add", "box": [200, 9, 230, 40], "label": "blast"}], (1, 1)),
    ("undo", [{"what": "confirm", "cells": [1]}, {"what": "undo"}], (0, 0)),
    ("redo", [{"what": "confirm", "cells": [1]}, {"what": "undo"}, {"what": "redo"}], (1, 1)),
    ("left out", [{"what": "confirm", "cells": [1]}, {"what": "leave out"}], (0, 0)),
)


@pytest.mark.parametrize(
    ("edits", "expected"), [pytest.param(*case, id=name) for name, *case in EDITS]
)
def test_edits_reach_the_counts(
    review: AppTest, edits: list[dict[str, Any]], expected: tuple[int, int]
) -> None:
    session = session_of(review)
    sent(session, *edits)
    assert session.problem == ""
    assert confirmed(session.review) == expected
    review.run()
    assert not review.exception


def test_what_was_seen_is_not_applied_twice(review: AppTest) -> None:
    session = session_of(review)
    [one] = session.review.fields
    add = {"n": 1, "what": "add", "field": one.sha256, "box": [200, 9, 230, 40], "label": "blast"}
    for _ in range(2):
        wire.take(session, {"epoch": session.epoch, "edits": [add]}, "reviewer")
    assert confirmed(session.review) == (1, 1)
    wire.take(session, {"epoch": "another", "edits": [{**add, "n": 2}]}, "reviewer")
    assert confirmed(session.review) == (1, 1), "an edit of another review is passed over"


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"what": "reclassify", "cells": [1], "label": "<script>"}, id="no such class"),
        pytest.param({"what": "confirm", "cells": [99]}, id="no such cell"),
        pytest.param({"what": "move", "cells": [1], "box": [5, 5, 5, 5]}, id="no box"),
        pytest.param({"what": "add", "box": ["x"], "label": "blast"}, id="no numbers"),
        pytest.param({"what": "drop table"}, id="no such edit"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    review: AppTest, edit: dict[str, Any]
) -> None:
    session = session_of(review)
    before = session.review
    sent(session, edit)
    assert session.review is before
    assert session.problem
    assert session.seen == 1, "the browser does not send it for ever"
    review.run()
    assert not review.exception


def test_corrections_survive_another_threshold(review: AppTest, desks: list[Any]) -> None:
    session = session_of(review)
    sent(session, {"what": "reclassify", "cells": [1], "label": "healthy"})
    review.switch_page("pages/detect.py").run()
    review.slider(key="detect.confidence.live").set_value(0.65).run()
    review.switch_page("pages/review.py").run()
    [one] = session.review.fields
    labels = {cell.number: (cell.label, cell.state) for cell in one.cells}
    assert labels.pop(1) == ("healthy", "confirmed")
    assert sorted(labels.values()) == [("healthy", "suggested")], "0.70 is above it, 0.60 not"
    sent(session, {"what": "undo"})
    assert session.review.field(one.sha256).cell(1).state == "suggested"


def test_a_case_is_kept_to_the_last_edit(review: AppTest, data_dir: Path) -> None:
    session = session_of(review)
    assert not data_dir.exists(), "nothing is kept until it is asked for"
    sent(session, {"what": "confirm", "cells": [1]})
    assert session.would_be_lost
    review.text_input(key="review.label").set_value("<b>7</b>")
    review.button(key="review.keep").click().run()
    assert not review.exception
    assert not session.would_be_lost
    sent(session, {"what": "confirm", "cells": [2]})
    assert session.kept is not None
    case_store.cache_clear()
    again = case_store().open(session.kept.id, actor())
    assert confirmed(again.review) == (1, 2)
    review.run()
    assert "\\<b\\>7\\</b\\>" in words(review), "a label is text"


def test_signing_waits_for_every_cell(review: AppTest) -> None:
    session = session_of(review)
    review.text_input(key="review.printed_name").set_value("A. Reviewer")
    review.button(key="review.sign").click().run()
    assert "Keep this case first" in words(review)
    review.text_input(key="review.label").set_value("7")
    review.button(key="review.keep").click().run()
    sent(session, {"what": "confirm", "cells": [1, 2]})
    review.button(key="review.sign").click().run()
    assert "cells 3, 4 not reviewed" in words(review)
    sent(session, {"what": "confirm", "cells": [3, 4]})
    review.button(key="review.sign").click().run()
    assert not review.exception
    assert "Version 1: Reviewed by **A. Reviewer**" in words(review)
    sent(session, {"what": "undo"})
    review.run()
    assert "an earlier version" in words(review)


def test_what_someone_else_saved_is_not_overwritten(review: AppTest) -> None:
    session = session_of(review)
    review.text_input(key="review.label").set_value("7")
    review.button(key="review.keep").click().run()
    assert session.kept is not None
    other = ReviewSession()
    kept = case_store().open(session.kept.id, actor())
    other.start(kept.review, kept)
    sent(other, {"what": "confirm", "cells": [1]})
    assert other.problem == ""
    sent(session, {"what": "confirm", "cells": [2]})
    assert "changed this case" in session.problem
    assert confirmed(case_store().open(kept.id, actor()).review) == (1, 1)
    review.run()
    assert "changed this case" in words(review)
    review.button(key="review.reopen").click().run()
    assert not review.exception
    assert "Case **7**" in words(review)


def test_classes_of_ones_own(review: AppTest, desks: list[dict[str, Any]]) -> None:
    session = session_of(review)
    review.button(key="review.offer.neutrophil").click().run()
    assert not review.exception
    assert [label.key for label in session.review.labels.own] == ["G"]
    sent(session, {"what": "reclassify", "cells": [2], "label": "neutrophil"})
    assert confirmed(session.review) == (0, 1), "it counts as a white cell"
    review.button(key="review.class.neutrophil").click().run()
    assert "Cells are of the class neutrophil." in words(review)
    review.text_input(key="review.class_name").set_value("<i>x</i>")
    review.text_input(key="review.class_key").set_value("B")
    review.button(key="review.add_class").click().run()
    assert "The key B belongs to another class." in words(review)


def test_withheld_pictures_are_left_out(
    upload: Callable[..., AppTest], engine: Any, smear: bytes, desks: list[dict[str, Any]]
) -> None:
    dark = encode_png(render(FieldSpec(480, 360, red_cell_px=24, seed=3)).image // 12)
    app = upload(("a.png", smear), ("dark.png", dark))
    app.switch_page("pages/review.py").run()
    first, second = desks[-1]["fields"]
    assert (first["counted"], second["counted"]) == (True, False)
    assert second["withheld"]
    assert {label for _, _, _, label, *_ in second["cells"]} == {"unidentified"}


def test_the_gallery_brings_sheets_of_crops(review: AppTest, desks: list[dict[str, Any]]) -> None:
    assert desks[-1]["fields"][0]["crops"] is None, "not before it is opened"
    session_of(review).crops = True
    review.run()
    [field] = desks[-1]["fields"]
    assert [row[-1] for row in field["cells"]] == [0, 1, 2, 3]
    assert field["crops"]["name"].startswith("crops-")


def test_cleared_pictures_leave_the_kept_case(
    review: AppTest, upload: Callable[..., AppTest], smear: bytes
) -> None:
    """Or the next patient's pictures would become part of it."""
    session = session_of(review)
    review.text_input(key="review.label").set_value("7")
    review.button(key="review.keep").click().run()
    assert session.kept is not None
    kept = session.kept
    review.switch_page("pages/detect.py").run()
    assert "Case 7 is kept" in words(review)
    review.button(key="detect.clear").click().run()
    assert session_of(review).kept is None
    assert not session_of(review).review.fields
    assert len(case_store().open(kept.id, actor()).review.fields) == 1


def test_cleared_pictures_come_back_with_their_corrections(
    upload: Callable[..., AppTest], engine: Any, smear: bytes
) -> None:
    app = upload(("a.png", smear))
    session = session_of(app)
    sent(session, {"what": "confirm", "cells": [1]})
    runs = engine.runs
    app.button(key="detect.clear").click().run()
    assert not app.exception
    assert not session_of(app).review.fields
    app.button(key="detect.undo_clear").click().run()
    assert not app.exception
    assert session_of(app) is session
    assert [cell.state for cell in session.review.fields[0].cells].count("confirmed") == 1
    assert [picture.name for picture in app.session_state["allcell.bench"].pictures.values()] == [
        "a.png"
    ]
    assert engine.runs == runs, "what was found is not looked for again"
    assert "allcell.cleared" not in app.session_state


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda held: held.close(), id="a minute is over"),
        pytest.param(lambda held: held.spare(), id="its memory is needed"),
    ],
)
def test_after_that_they_are_gone_and_nothing_is_held(
    upload: Callable[..., AppTest], engine: Any, smear: bytes, ends: Callable[[Any], None]
) -> None:
    app = upload(("a.png", smear))
    app.button(key="detect.clear").click().run()
    held = app.session_state["allcell.cleared"]
    assert held.holds()
    ends(held)
    assert not held.holds()
    app.button(key="detect.undo_clear").click().run()
    assert not app.exception
    assert not app.session_state["allcell.bench"].pictures
    assert "they are gone" in app.info[0].value


def test_the_minute_ends_by_itself(
    upload: Callable[..., AppTest], engine: Any, smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleared, "UNDO_S", 0.0)
    app = upload(("a.png", smear))
    app.button(key="detect.clear").click().run()
    if "allcell.cleared" in app.session_state:
        app.session_state["allcell.cleared"]._timer.join(5)
    app.run()
    assert "allcell.cleared" not in app.session_state
    assert not [button for button in app.button if button.key == "detect.undo_clear"]


LOGIN = {"redirect_uri": "http://localhost/oauth2callback", "cookie_secret": "x" * 32}


@pytest.mark.parametrize("name", ["detect", "live", "review", "compare", "models"])
def test_with_auth_every_page_needs_a_login(
    app: AppTest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "find_spec", lambda package: package)
    app.secrets["auth"] = LOGIN
    app.run()
    assert [title.value for title in app.title] == ["Log in"]
    app.switch_page(f"pages/{name}.py").run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Log in"]
    assert [button.key for button in app.button] == ["allcell.login"]


def test_without_the_package_for_logins_nobody_gets_in_and_the_page_says_why(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "find_spec", lambda package: None)
    app.secrets["auth"] = LOGIN
    app.run()
    assert not app.exception
    assert not app.button
    assert "Logins need authlib and httpx" in app.error[0].value


def test_undo_leads_to_the_picture_that_it_changes(
    upload: Callable[..., AppTest], engine: Any, smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows: list[Callable[[str], None]] = []
    monkeypatch.setattr(
        correct, "show_desk", lambda session, data, page, on_shown: shows.append(on_shown)
    )
    other = encode_png(render(FieldSpec(400, 300, red_cell_px=24, seed=8, neutrophils=1)).image)
    app = upload(("a.png", smear), ("b.png", other))
    desk = app.session_state["allcell.bench"]
    first, second = desk.pictures
    desk.show(second)
    app.run()
    session = session_of(app)
    shows[-1](session.hashes[desk.pictures[first].digest])
    assert desk.shown == first
