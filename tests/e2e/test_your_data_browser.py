"""A labelled set of the user's own on the Compare page, in Chromium, with the live model."""

from __future__ import annotations

import contextlib
import io
import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from allcell.boxes import suppress
from allcell.evaluation.bundle import read_bundle, rescore
from allcell.evaluation.matching import MAX_DETECTIONS
from allcell.evaluation.predictions import CALIBRATION_FLOOR, Predictions
from allcell.models.registry import CLASSES
from tests.user_sets import coco_files, coco_zip

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WAIT_MS = 60_000
IMAGES = 5


@pytest.fixture
def measured(page: Page, app_url: str) -> Page:
    """The Compare page after the live model was evaluated on a COCO set."""
    page.goto(f"{app_url}/compare")
    open_tab(page, "Your data")
    page.locator("input[type=file]").set_input_files(
        [{"name": "smears.zip", "mimeType": "application/zip", "buffer": coco_zip(IMAGES)}],
        timeout=WAIT_MS,
    )
    page.get_by_text("What its classes stand for").wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Evaluate").click()
    page.get_by_text(f"Measured on smears (test), {IMAGES} images: allcell live.").wait_for(
        timeout=WAIT_MS
    )
    return page


def open_tab(page: Page, name: str) -> None:
    """Click one of the tabs."""
    page.get_by_role("tab", name=name).click(timeout=WAIT_MS)


def download(page: Page, name: str) -> bytes:
    """What a button gives."""
    with page.expect_download(timeout=WAIT_MS) as waiting:
        page.get_by_role("button", name=name).click(timeout=WAIT_MS)
    return waiting.value.path().read_bytes()


def pycocotools_ap(truth: dict[str, Any], answers: Predictions) -> np.ndarray:
    """AP at IoU 0.5 and mean over 0.5 to 0.95, shape (2, classes), of the file that was given."""
    boxes = [{**a, "area": a["bbox"][2] * a["bbox"][3], "iscrowd": 0} for a in truth["annotations"]]
    found = [
        {
            "image_id": n,
            "category_id": int(kind) + 1,
            "bbox": [float(v) for v in (x1, y1, x2 - x1, y2 - y1)],
            "score": float(score),
        }
        for n, image in enumerate(answers.images)
        for (x1, y1, x2, y2), score, kind in zip(
            image.predictions.xyxy.astype(float),
            image.predictions.confidence,
            image.predictions.class_id,
            strict=True,
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {**truth, "info": {}, "annotations": boxes}
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluator.params.maxDets = [MAX_DETECTIONS]
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval["precision"][:, :, :, 0, 0].mean(axis=1)
    return np.array([precision[0], precision.mean(axis=0)])


def test_ap_of_a_coco_set_equals_pycocotools(measured: Page) -> None:
    open_tab(measured, "Published and measured")
    table = pd.read_csv(io.BytesIO(download(measured, "Download as CSV")))
    open_tab(measured, "Real differences?")
    bundle = download(measured, "Download everything")
    assert rescore(bundle).differing == []
    (answers,) = read_bundle(bundle).answers
    # A file name may hold a patient's: it is in the file only if that is asked for.
    numbers = [f"image-{n:03d}" for n in range(1, IMAGES + 1)]
    assert [image.name for image in answers.images] == numbers
    measured.get_by_text("File names in downloads").click()
    measured.wait_for_timeout(1000)
    (named,) = read_bundle(download(measured, "Download everything")).answers
    names = [f"{number}-field_{n}" for n, number in enumerate(numbers)]
    assert [image.name for image in named.images] == names
    truth = json.loads(coco_files(IMAGES)["annotations/instances_test.json"])
    # What a user sees: one class for each cell.
    iou, floor = answers.setting.iou, CALIBRATION_FLOOR
    shown = replace(
        answers,
        images=tuple(
            replace(image, predictions=suppress(image.predictions.at_least(floor), iou))
            for image in answers.images
        ),
    )
    theirs = {
        "as YOLOv5 counts": pycocotools_ap(truth, answers),
        "as shown": pycocotools_ap(truth, shown),
    }
    assert all((ap[0, :2] > 0.3).all() for ap in theirs.values()), "the model must see something"
    for n, name in enumerate(CLASSES):
        row = table[table["class"] == name].iloc[0]
        for kind, ap in theirs.items():
            assert row[f"AP@0.5 {kind}"] == pytest.approx(ap[0, n], abs=2e-6), kind
            assert row[f"AP@0.5:0.95 {kind}"] == pytest.approx(ap[1, n], abs=2e-6), kind
        assert row["cells"] == sum(a["category_id"] == n + 1 for a in truth["annotations"])


def test_boxes_follow_the_threshold(measured: Page) -> None:
    open_tab(measured, "Curves and threshold")
    legend: Locator = measured.locator("div.legend")

    def counts() -> list[int]:
        return [int(n) for n in re.findall(r"\d+", legend.inner_text())]

    measured.locator(".box").first.wait_for(timeout=WAIT_MS)
    found, _, missed = counts()
    assert found > 0
    slider = measured.get_by_role("slider")
    slider.focus()
    slider.press("End")
    until = time.monotonic() + WAIT_MS / 1000
    while counts()[0] == found:
        assert time.monotonic() < until
        measured.wait_for_timeout(20)
    after = counts()
    assert after[0] < found
    assert after[0] + after[2] == found + missed
    measured.get_by_role("button", name="arrow_forward").click()
    field = measured.get_by_role("combobox", name="Field")
    while field.input_value() != f"2 of {IMAGES}: field_1.png":
        assert time.monotonic() < until
        measured.wait_for_timeout(20)
