"""The Models page through app.py, without a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from allcell.data.laboratories import LABORATORIES
from allcell.models.registry import CLASSIFIERS, MODELS
from allcell.models.weights import ModelFiles, describe, write_manifest
from allcell.settings import RESEARCH_USE, settings
from allcell.ui.shell.catalog import catalog


def show(app: AppTest) -> str:
    """Everything the page says."""
    app.run().switch_page("pages/models.py").run()
    assert not app.exception
    groups = (app.title, app.subheader, app.markdown, app.caption)
    texts = [str(element.value) for group in groups for element in group]
    return "\n".join(texts + [element.proto.body for element in app.get("html")])


@pytest.fixture
def weights(tmp_path: Path, limits: Any) -> Path:
    """An empty folder of weights."""
    limits(weights_dir=tmp_path, cache_dir=tmp_path / "cache")
    return tmp_path


def write_weights(folder: Path, *, onnx: bool) -> None:
    """A manifest that names the live model's files, and the files."""
    (folder / "live.pt").write_bytes(bytes(2_000_000))
    (folder / "live.onnx").write_bytes(bytes(1_000_000))
    files = ModelFiles(
        checkpoint=describe(folder / "live.pt"),
        parameters=654321,
        onnx=describe(folder / "live.onnx") if onnx else None,
    )
    write_manifest(folder, {"live": files})


@pytest.mark.parametrize("where", ["detect", "live", "compare", "models"])
def test_a_setting_that_cannot_be_is_named_on_every_page(
    where: str, app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLCELL_MAX_PIXELS", "abc")
    settings.cache_clear()
    try:
        app.switch_page(f"pages/{where}.py").run()
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert not app.exception
    (problem,) = app.error
    assert "Correct it in the environment" in problem.value


def test_every_model_of_the_registry_is_listed(app: AppTest) -> None:
    text = show(app)
    for spec in MODELS:
        assert spec.title in text
        assert spec.summary in text
        assert f"confidence {spec.confidence:.2f}" in text
        assert spec.unlike_paper in text
    for classifier in CLASSIFIERS:
        assert classifier.title in text
        assert f"{classifier.width_px} x {classifier.height_px} px" in text


def test_what_to_expect_elsewhere_stands_first(app: AppTest, weights: Path) -> None:
    write_weights(weights, onnx=True)
    text = show(app)
    assert app.subheader[0].value == "In other laboratories"
    assert "is not measured yet: expect it to miss blasts" in text
    table = app.dataframe[0].value
    assert list(table["Laboratory"]) == [lab.title for lab in LABORATORIES.values()]
    assert set(table["Healthy, AP@0.5 as shown, never saw it"]) == {"not measured yet"}


def test_files_are_named_with_size_and_digest(app: AppTest, weights: Path) -> None:
    write_weights(weights, onnx=True)
    text = show(app)
    digest = json.loads((weights / "manifest.json").read_text())["live"]["onnx"]["sha256"]
    assert f"live.onnx, 1.0 MB, SHA-256 {digest[:12]}" in text
    assert "live.pt, 2.0 MB" in text
    assert "654,321" in text
    assert "Can be used here" in text
    assert "There is no model card" in text


def test_the_address_of_a_page_leads_there_on_a_fresh_server(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Streamlit takes for granted until app.py has run once.
    monkeypatch.setattr(PagesManager, "uses_pages_directory", True)
    app.switch_page("pages/models.py").run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Models"]
    assert RESEARCH_USE in " ".join(element.proto.body for element in app.get("html"))


def test_model_card_is_shown(app: AppTest, weights: Path) -> None:
    write_weights(weights, onnx=True)
    (weights / "cards").mkdir()
    (weights / "cards" / "live.md").write_text("# Card of the live model\n", encoding="utf-8")
    text = show(app)
    assert "# Card of the live model" in text
    assert text.count("There is no model card") == len(catalog()) - 1


@pytest.mark.parametrize(
    ("has_torch", "onnx", "gone", "usable", "parts"),
    [
        pytest.param(True, True, None, True, ["with torch"], id="whole installation"),
        pytest.param(False, True, None, True, ["without LITE=1"], id="light: ONNX is shipped"),
        pytest.param(
            False, False, None, False, ["needs torch", "make app"], id="light: nothing to compile"
        ),
        pytest.param(True, False, None, True, ["compiled on first use"], id="torch compiles it"),
        pytest.param(
            True, True, "live.onnx", False, ["live.onnx is missing", "git checkout"], id="file gone"
        ),
        pytest.param(
            True, True, "manifest.json", False, ["no weights", "allcell train"], id="no manifest"
        ),
    ],
)
def test_what_is_missing_is_said_plainly(
    app: AppTest,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_torch: bool,
    onnx: bool,
    gone: str | None,
    usable: bool,
    parts: list[str],
) -> None:
    write_weights(weights, onnx=onnx)
    if gone:
        (weights / gone).unlink()

    def installed(name: str) -> object:
        assert name in ("torch", "ultralytics")
        return object() if has_torch else None

    monkeypatch.setattr("allcell.engines.opening.find_spec", installed)
    text = show(app)
    for part in parts:
        assert part in text
    assert ("Can be used here" in text) == usable
    app.switch_page("pages/detect.py").run()
    assert not app.exception
    assert [box.label for box in app.selectbox] == (["Model"] if usable else [])
    assert bool(app.error) != usable
