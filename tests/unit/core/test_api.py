"""The public API: three lines detect; files, arrays, lists and folders; nothing heavy at import."""

from __future__ import annotations

import doctest
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

import allcell
from allcell import api
from allcell.errors import AllcellError, ImageError, ModelError
from allcell.imaging.images import encode_png
from allcell.result import BOX_COLUMNS
from allcell.settings import RESEARCH_USE
from allcell.synth.field import render
from allcell.synth.samples import EXAMPLE

#: What the shipped model finds in the example.
COUNTS = (5, 8, 2)


@pytest.fixture(scope="module")
def field() -> Any:
    return render(EXAMPLE).image


@pytest.fixture
def smear(field: Any, tmp_path: Path) -> Path:
    path = tmp_path / "smear.png"
    path.write_bytes(encode_png(field))
    return path


def counted(result: allcell.Result) -> tuple[int | None, int | None, int | None]:
    return result.counts.blasts, result.counts.white_cells, result.counts.smudges


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda path, field: path, id="Path"),
        pytest.param(lambda path, field: str(path), id="str"),
        pytest.param(lambda path, field: path.read_bytes(), id="bytes of a file"),
        pytest.param(lambda path, field: bytearray(path.read_bytes()), id="bytearray"),
        pytest.param(lambda path, field: memoryview(path.read_bytes()), id="memoryview"),
        pytest.param(lambda path, field: field, id="array"),
    ],
)
def test_one_image_gives_one_result(given: Callable[..., Any], smear: Path, field: Any) -> None:
    result = allcell.detect(given(smear, field))
    assert counted(result) == COUNTS
    # It is rendered, so no laboratory is like it; nothing else may be said.
    assert {caution.kind for caution in result.warnings} <= {"unlike"}
    assert not any(caution.withholds for caution in result.warnings)
    assert result.draw(notice=False).shape == field.shape


def test_a_list_and_a_folder_give_lists_in_order(smear: Path, field: Any) -> None:
    small = smear.parent / "below" / "a.png"
    small.parent.mkdir()
    small.write_bytes(encode_png(np.full((64, 64, 3), 230, np.uint8)))
    mixed = allcell.detect([smear, field, small.read_bytes()])
    assert [r.name for r in mixed] == [str(smear), "image-002", "image-003"]
    assert [counted(r) for r in mixed] == [COUNTS, COUNTS, (None, None, None)]
    assert mixed[2].withholding[0].kind == "not_a_smear"
    folder: Any = allcell.detect(smear.parent)
    assert {r.name for r in folder} == {str(smear), str(small)}
    assert allcell.detect([]) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("nowhere.png", "nowhere.png", id="no such file"),
        pytest.param(np.zeros((4, 4), np.uint8), r"got uint8 \(4, 4\)", id="grey array"),
        pytest.param(np.zeros((9, 9, 3)), r"got float64 \(9, 9, 3\)", id="floats"),
        pytest.param(b"no picture", "text", id="bytes that are no picture"),
        pytest.param("a" * 5000, "cannot be opened", id="path of 5,000 characters"),
        pytest.param("~nobody-of-this-name/a.png", "no file", id="unknown home"),
        pytest.param("a\0b", "cannot be opened", id="zero in a path"),
        pytest.param("", "Expected an image", id="empty path"),
    ],
)
def test_what_is_no_image_is_told(source: Any, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        allcell.detect(source)


@pytest.mark.parametrize(
    ("change", "kind", "says", "withholds"),
    [
        pytest.param(lambda i: i[..., ::-1], "unlike", "exchange", True, id="OpenCV's BGR"),
        pytest.param(
            lambda i: encode_png(np.repeat(i.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)),
            *("grey", "no colour", False),
            id="a grey file",
        ),
        pytest.param(lambda i: i // 16, "exposure", "too dark", True, id="nearly black"),
        pytest.param(
            lambda i: np.clip(4 * i.astype(int), 0, 255).astype(np.uint8),
            *("exposure", "overexposed", True),
            id="nearly white",
        ),
    ],
)
def test_pixels_that_cannot_be_right_are_told(
    change: Callable[[Any], Any], kind: str, says: str, withholds: bool, field: Any
) -> None:
    given = change(field)
    warnings = allcell.detect(given if isinstance(given, bytes) else given.copy()).warnings
    (caution,) = (caution for caution in warnings if caution.kind == kind)
    assert says in str(caution)
    assert caution.withholds == withholds


def test_the_page_that_was_read_is_a_warning(field: Any) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as target:
        for page in (field, 255 - field):
            target.write(page, photometric="rgb")
    result = allcell.detect(buffer.getvalue())
    (caution,) = (caution for caution in result.warnings if caution.kind == "one_of_several")
    assert "page 1 of 2" in str(caution)
    assert not result.withheld


def test_an_error_names_the_folder_of_its_file(smear: Path) -> None:
    bad = smear.parent / "ward-2" / "bad.jpg"
    bad.parent.mkdir()
    bad.write_bytes(b"\xff\xd8\xff\xe0 cut off")
    with pytest.raises(ImageError, match=r"'.*ward-2/bad\.jpg' is damaged"):
        allcell.detect(smear.parent)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"holds no image.*\.png"):
        allcell.detect(tmp_path)


def test_one_bad_file_spoils_nothing_if_asked(smear: Path) -> None:
    bad = smear.parent / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 cut off")
    with pytest.raises(ImageError):
        allcell.detect([bad, smear])
    failed: list[tuple[str, AllcellError]] = []
    results = allcell.detect([bad, smear], on_error=lambda *what: failed.append(what))
    assert [counted(r) for r in results] == [COUNTS]
    assert [name for name, _ in failed] == [str(bad)]


def test_a_detector_is_kept_and_called_again(field: Any, monkeypatch: Any) -> None:
    detector = allcell.open_detector("live", device="cpu", runtime="onnx", precision="int8")
    monkeypatch.setattr(api, "open_detector", lambda *_, **__: pytest.fail("opened again"))
    first, again = (counted(allcell.detect(field, model=detector)) for _ in range(2))
    assert first == again
    assert first[1] == COUNTS[1]
    with pytest.raises(ValueError, match="already open"):
        allcell.detect(field, model=detector, device="cpu")


def test_a_model_by_name_is_opened_once(field: Any, monkeypatch: Any) -> None:
    opened: list[str] = []
    monkeypatch.setattr(api, "_OPENED", {})
    real = api.open_detector
    monkeypatch.setattr(
        api, "open_detector", lambda name, **how: opened.append(name) or real(name, **how)
    )
    for _ in range(2):
        allcell.detect(field, model="live")
    assert opened == ["live"]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        pytest.param({"model": "yolov99"}, "no model named 'yolov99'", id="model"),
        pytest.param({"device": "tpu"}, "no device 'tpu'", id="device"),
        pytest.param({"runtime": "tvm"}, "no runtime 'tvm'", id="runtime"),
    ],
)
def test_wrong_names_are_told(how: dict[str, Any], says: str, field: Any) -> None:
    with pytest.raises(AllcellError, match=says):
        allcell.detect(field, **how)


def test_settings_of_one_call(field: Any) -> None:
    sure = allcell.detect(field, confidence=0.99)
    assert len(sure.detections) < sum(COUNTS[1:])
    blasts = allcell.detect(field, classes=["blast"])
    assert counted(blasts) == (5, 5, 0)
    given = allcell.detect(field, red_cell_px=28)
    assert (given.scale.origin, given.red_cell_px) == ("given", 28)


def test_a_picture_without_red_cells_carries_a_warning() -> None:
    warnings = allcell.detect(np.full((200, 300, 3), 225, np.uint8)).warnings
    cautions = {caution.kind: caution for caution in warnings}
    assert "could not be measured" in str(cautions["scale_unknown"])
    assert cautions["not_a_smear"].withholds


def test_pandas_has_a_row_a_cell(field: Any) -> None:
    result = allcell.detect(field)
    table = result.to_pandas()
    assert tuple(table.columns) == BOX_COLUMNS
    assert len(table) == len(result.detections) == 10
    assert (table.suggested_class == "blast").sum() == COUNTS[0]
    np.testing.assert_allclose(table[["x1_px", "y2_px"]], result.detections.xyxy[:, [0, 3]])


def test_save_writes_three_files_named_after_the_image(smear: Path, tmp_path: Path) -> None:
    written = allcell.detect(smear).save(tmp_path / "out")
    assert [path.name for path in written] == ["smear-annotated.png", "smear.csv", "smear.json"]
    picture, table, everything = written
    assert allcell.read_image(picture).shape[1] == 640
    assert len(pd.read_csv(table)) == 10
    assert RESEARCH_USE in table.read_text(encoding="utf-8")
    assert len(json.loads(everything.read_text(encoding="utf-8"))["detections"]) == 10


@pytest.mark.parametrize(
    ("how", "says"),
    [
        pytest.param({"red_cell_px": 0}, "red_cell_px: expected a diameter in", id="no size"),
        pytest.param({"red_cell_px": float("nan")}, "red_cell_px", id="no number"),
        pytest.param({"red_cell_px": float("inf")}, "number from 1 to 10,000", id="no end"),
        pytest.param({"red_cell_px": -3}, "got -3", id="below nothing"),
        pytest.param({"red_cell_px": "28"}, "got '28'", id="size as text"),
        pytest.param({"confidence": "0.5"}, "got '0.5'", id="confidence as text"),
        pytest.param({"confidence": -1}, "confidence: expected 0 to 1", id="confidence"),
        pytest.param({"iou": 5}, "iou: expected 0 to 1", id="overlap"),
        pytest.param({"classes": ["blasts"]}, "expected some of blast, healthy", id="class"),
    ],
)
def test_numbers_out_of_range_are_told(how: dict[str, Any], says: str, field: Any) -> None:
    with pytest.raises(ValueError, match=says):
        allcell.detect(field, **how)


def test_boxes_are_not_drawn_on_another_picture(smear: Path) -> None:
    result = allcell.detect(smear)
    smear.write_bytes(encode_png(np.full((64, 64, 3), 230, np.uint8)))
    with pytest.raises(ImageError, match="640x480 px, this one has 64x64"):
        result.save(smear.parent / "out")
    assert not (smear.parent / "out").exists()


def test_nothing_that_is_not_ours_is_overwritten(field: Any, tmp_path: Path) -> None:
    (tmp_path / "image-001.csv").write_text("mine")
    first, second = (allcell.detect(field).save(tmp_path)[1].name for _ in range(2))
    assert (first, second) == ("image-001-2.csv", "image-001-3.csv"), "arrays have no name"
    assert (tmp_path / "image-001.csv").read_text() == "mine"


def test_two_images_of_one_name_do_not_overwrite_each_other(smear: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "smear.png"
    other.parent.mkdir()
    other.write_bytes(smear.read_bytes())
    out = tmp_path / "out"
    first, second, again = (allcell.detect(p).save(out) for p in (smear, other, smear))
    assert [p.name for p in second] == ["smear-2-annotated.png", "smear-2.csv", "smear-2.json"]
    assert again == first, "the same image is replaced"
    assert len(list(out.iterdir())) == 6


def test_a_result_made_elsewhere_asks_for_its_image(field: Any) -> None:
    bare = allcell.detect(field).with_pixels(None)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=r"Pass the image to draw\(\)"):
        bare.draw()
    assert bare.draw(field).shape[0] > field.shape[0], "the notice stands below"


@pytest.mark.child
def test_import_is_instant_and_brings_no_framework() -> None:
    code = (
        "import sys, time\n"
        "start = time.perf_counter()\n"
        "import allcell\n"
        "print(time.perf_counter() - start)\n"
        "heavy = {'numpy', 'cv2', 'torch', 'onnxruntime', 'streamlit', 'pandas', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert set(allcell.__all__) <= set(dir(allcell))\n"
    )
    took_s = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        took_s.append(float(done.stdout))
    assert min(took_s) < 0.1


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(getattr(allcell, name) is not None for name in allcell.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        allcell.nothing  # type: ignore[attr-defined]  # noqa: B018


def examples() -> list[Any]:
    """The examples in the docstrings of the public names, and the README's."""
    finder = doctest.DocTestFinder(recurse=False)
    found = [test for home in (allcell, api.detect) for test in finder.find(home) if test.examples]
    readme = Path(__file__).parents[3] / "README.md"
    # A fence right below an answer would be taken for a part of it.
    text = readme.read_text(encoding="utf-8").replace("```", "")
    parser = doctest.DocTestParser()
    return [*found, parser.get_doctest(text, {}, "README.md", "README.md", 0)]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_examples_run(example: Any, smear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(smear.parent)
    assert example.examples, "there is nothing to run"
    assert doctest.DocTestRunner().run(example).failed == 0


def test_unknown_models_name_the_known_ones() -> None:
    with pytest.raises(ModelError, match="live"):
        allcell.open_detector("yolov99")
