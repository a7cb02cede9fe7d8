"""Numbers that are not to be trusted: shown nowhere, unless the user insists, and then marked."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

import allcell
from allcell.cautions import WITHHELD, Caution, Cautioned
from allcell.classifier import FieldClass
from allcell.counts import Counts
from allcell.detections import Detections
from allcell.detector import Timing
from allcell.imaging.draw import CLASS_COLOURS, WITHHELD_COLOUR
from allcell.models.registry import get_spec
from allcell.report.bundle import bundle_zip, yolo_zip
from allcell.report.exports import to_coco, to_summary_csv
from allcell.report.snapshots import snapshots_zip, to_result
from allcell.result import Result, boxes_csv
from allcell.stream.snapshots import Snapshot

REASON = "The picture does not look like a blood smear."
NO_SMEAR = Caution("not_a_smear", REASON, "Use another picture.", withholds=True)
BLURRED = Caution("blurred", "The picture is blurred.", "Refocus.", withholds=True)
UNLIKE = Caution("unlike", "The stain is unlike any in the training.", "Check each cell.")
WEAK = Caution("scale_weak", "The red-cell diameter is uncertain.", "Check it.")
TIMING = Timing(1.0, 2.0, 3.0, 6.0)
MARK = "Not to be trusted: these numbers are shown because the user insisted."
#: Shades that are in no class's colour and not in a grey box.
GROUND = 90


def result(*warnings: Caution, insisted: bool = False) -> Result:
    """Two blasts, a healthy cell and a smudge, side by side."""
    xyxy = np.array([[60 * n + 10, 20, 60 * n + 50, 60] for n in range(4)], np.float32)
    found = Detections(xyxy, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.array([0, 1, 2, 0]))
    classes = ("blast", "healthy", "smudge")
    pixels = np.full((90, 260, 3), GROUND, np.uint8)
    return Result(
        *("a.png", 260, 90, "live", found, classes, TIMING),
        pixels=lambda: pixels,
        warnings=warnings,
        insisted=insisted,
    )


@pytest.mark.parametrize(
    ("warnings", "insisted", "withheld", "overruled"),
    [
        pytest.param((), False, False, False, id="nothing against it"),
        pytest.param((), True, False, False, id="to insist on what is shown changes nothing"),
        pytest.param((UNLIKE, WEAK), False, False, False, id="notes withhold nothing"),
        pytest.param((UNLIKE, NO_SMEAR), False, True, False, id="one that withholds is enough"),
        pytest.param((UNLIKE, NO_SMEAR), True, False, True, id="the user insists"),
    ],
)
def test_one_decision(
    warnings: tuple[Caution, ...], insisted: bool, withheld: bool, overruled: bool
) -> None:
    answer = Cautioned(warnings=warnings, insisted=insisted)
    assert (answer.withheld, answer.overruled) == (withheld, overruled)
    assert bool(answer.reservation) == (withheld or overruled)
    assert (REASON in answer.reservation) == (withheld or overruled)
    assert UNLIKE.message not in answer.reservation
    assert answer.insist().withheld is False


def test_the_most_severe_caution_comes_first_and_the_scale_is_said_elsewhere() -> None:
    answer = Cautioned(warnings=(WEAK, UNLIKE, BLURRED, NO_SMEAR))
    assert answer.cautions == (NO_SMEAR, BLURRED, UNLIKE)
    assert answer.reservation.endswith(f"{REASON} {BLURRED.message}")
    implausible = Caution("scale_weak", "No cell is that small.", "Set it.", withholds=True)
    assert Cautioned(warnings=(implausible,)).cautions == (implausible,)


@pytest.mark.parametrize("name", ["blasts", "white_cells", "smudges", "smudges_per_100"])
def test_no_number_is_left_to_a_program(name: str) -> None:
    assert getattr(result(NO_SMEAR).counts, name) is None
    assert getattr(result(NO_SMEAR, insisted=True).counts, name) is not None
    assert getattr(result(UNLIKE).counts, name) is not None


def test_no_fraction_no_interval_and_no_yes_or_no() -> None:
    withheld = result(NO_SMEAR)
    share = withheld.counts.blast_share
    assert (share.n, share.fraction, share.low, share.high) == (0, None, 0, 1)
    assert withheld.counts.suggests_blasts is None
    assert withheld.highest_blast_confidence is None
    assert withheld.counts.knows("blast"), "the model does know them"
    shown = withheld.insist()
    assert shown.counts.blast_share.fraction == pytest.approx(2 / 3)
    assert shown.counts.suggests_blasts is True
    assert shown.highest_blast_confidence == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("counts", "suggests"),
    [
        pytest.param({"blast": 1, "healthy": 2}, True, id="some"),
        pytest.param({"blast": 0, "healthy": 2}, False, id="none"),
        pytest.param({"healthy": 2}, None, id="not looked for"),
        pytest.param({"blast": None, "healthy": None}, None, id="withheld"),
    ],
)
def test_the_yes_or_no(counts: dict[str, int | None], suggests: bool | None) -> None:
    assert Counts(counts).suggests_blasts is suggests


def test_a_field_class_that_is_withheld_has_no_answer() -> None:
    black = FieldClass(1.0, "cancerous", warnings=(NO_SMEAR,))
    assert black.answer is None
    assert black.insist().answer == ("cancerous", 1.0)


def unpacked(content: bytes) -> str:
    """All text in a ZIP, with the names of its files."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".png")]
        return "\n".join(f"{name}\n{archive.read(name).decode()}" for name in names)


def snapshot(shown: Result) -> Snapshot:
    """The same result as Live keeps it."""
    return Snapshot(
        shown.pixels() if shown.pixels else np.zeros((0, 0, 3), np.uint8),
        *(shown.detections, get_spec("live"), "stub", 0.4, 0.5, (), 20.0, TIMING),
        datetime(2026, 1, 1, tzinfo=UTC),
        warnings=shown.warnings,
        insisted=shown.insisted,
    )


#: Every way in which a result leaves allcell as text.
EXPORTS: dict[str, Callable[[Result], str]] = {
    "JSON line": Result.to_json,
    "table": lambda r: r.to_pandas().to_csv(),
    "boxes CSV": lambda r: boxes_csv([r]),
    "summary CSV": lambda r: to_summary_csv([r]),
    "COCO": lambda r: to_coco([r]),
    "YOLO": lambda r: unpacked(yolo_zip([r])),
    "ZIP of everything": lambda r: unpacked(bundle_zip([r], [b""])),
    "Live's snapshots": lambda r: unpacked(snapshots_zip([snapshot(r)])),
}
#: What gives a class or a fraction away: class names outside column titles, 2 of 3, its interval.
TELLS = ("blast,", '"blast"', "healthy,", '"healthy"', "66.7", "9.4", "99.2")


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_exports_say_why_and_hold_no_class_and_no_number(export: Callable[[Result], str]) -> None:
    text = export(result(NO_SMEAR, UNLIKE))
    assert "Numbers withheld: not to be trusted." in text
    assert REASON in text
    rows = text.replace("blast_percent", "").replace("highest_blast", "")
    assert [tell for tell in TELLS if tell in rows] == []


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_exports_on_which_the_user_insists_say_so(export: Callable[[Result], str]) -> None:
    text = export(result(NO_SMEAR, insisted=True))
    assert MARK in text
    assert REASON in text
    assert any(tell in text for tell in TELLS), "the numbers are there"


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_exports_of_a_good_picture_say_nothing_of_it(export: Callable[[Result], str]) -> None:
    text = export(result(UNLIKE))
    assert "trusted" not in text
    assert any(tell in text for tell in TELLS)


def test_boxes_are_exported_without_their_classes() -> None:
    withheld = result(NO_SMEAR)
    assert {kind for kind, *_ in withheld.rows()} == {WITHHELD}
    assert len(list(withheld.rows())) == len(withheld.detections) == 4
    line = json.loads(withheld.to_json())
    assert line["withheld"] is True
    assert {cell["class"] for cell in line["detections"]} == {WITHHELD}
    categories = json.loads(to_coco([result(), withheld]))["categories"]
    assert [c["name"] for c in categories] == ["blast", "healthy", "smudge", WITHHELD]


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((picture == colour).all(axis=2).any())


def test_boxes_are_drawn_grey_and_the_strip_says_why() -> None:
    plain, withheld, insisted = (
        r.draw() for r in (result(), result(NO_SMEAR), result(NO_SMEAR, insisted=True))
    )
    field = slice(0, 90)
    for name in ("blast", "healthy", "smudge"):
        assert has(plain[field], CLASS_COLOURS[name])
        assert has(insisted[field], CLASS_COLOURS[name])
        assert not has(withheld[field], CLASS_COLOURS[name])
    assert has(withheld[field], WITHHELD_COLOUR)
    assert not has(plain[field], WITHHELD_COLOUR)
    # More words make a higher strip.
    assert plain.shape[0] < withheld.shape[0]
    assert plain.shape[0] < insisted.shape[0]
    assert result(NO_SMEAR).draw(notice=False).shape[0] > 90, "said even without the notice"
    assert result().draw(notice=False).shape[0] == 90


def test_labels_would_tell_the_class() -> None:
    with_labels, without = (result(NO_SMEAR).draw(labels=labels) for labels in (True, False))
    assert np.array_equal(with_labels, without)


def test_a_snapshot_of_a_frozen_picture_keeps_what_speaks_against_it() -> None:
    assert to_result(snapshot(result(NO_SMEAR))).withheld
    assert to_result(snapshot(result(NO_SMEAR, insisted=True))).overruled
    assert not to_result(snapshot(result())).reservation


@pytest.mark.parametrize(
    ("insist", "blasts"), [pytest.param(False, None, id="as it is"), pytest.param(True, 0, id="!")]
)
def test_a_program_has_to_insist(
    insist: bool, blasts: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "allcell.analysis.answers.picture_cautions", lambda image, scale, **_: (NO_SMEAR,)
    )
    blank = np.full((200, 300, 3), 225, np.uint8)
    found = allcell.detect(blank, insist=insist)
    assert (found.counts.blasts, found.withheld, found.overruled) == (blasts, not insist, insist)
    [listed] = allcell.detect([blank], insist=insist)
    assert listed.withheld is not insist
