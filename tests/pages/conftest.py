"""The app in Streamlit's own test runner, with a network that counts its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from streamlit.testing.v1 import AppTest

from allcell.detector import Detector
from allcell.imaging.images import encode_png
from allcell.models.registry import get_spec
from allcell.records.store import case_store
from allcell.settings import settings
from allcell.synth import FieldSpec, render
from allcell.ui.detect import workspace
from allcell.ui.sessions.budget import ledger

ROOT = Path(__file__).resolve().parents[2]

#: What the network sees in any image: class and confidence, side by side, not overlapping.
SEEN = (("blast", 0.9), ("blast", 0.6), ("healthy", 0.7), ("healthy", 0.15), ("smudge", 0.5))


@dataclass
class CountingEngine:
    """Answers `SEEN`, in the layout of the live model, and counts how often it was asked."""

    runs: int = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    description: str = "counting engine"

    def run(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Boxes of 20 x 20 input pixels in a row."""
        self.runs += 1
        self.sizes.append((image.shape[1], image.shape[0]))
        classes = get_spec("live").classes
        output = np.zeros((4 + len(classes), len(SEEN)), np.float32)
        for n, (name, confidence) in enumerate(SEEN):
            output[:4, n] = (30 + 40 * n, 40, 20, 20)
            output[4 + classes.index(name), n] = confidence
        return output


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> CountingEngine:
    """The network behind the page."""
    counting = CountingEngine()
    detector = Detector(get_spec("live"), counting)
    monkeypatch.setattr(workspace, "get_detector", lambda name: detector)
    return counting


@pytest.fixture
def app() -> AppTest:
    """The app on its first page, not run yet."""
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Cases, teachings and models of a test lie in its own folder, which is not made yet."""
    folder = tmp_path / "data"
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(folder))
    settings.cache_clear()
    case_store.cache_clear()
    yield folder
    monkeypatch.undo()
    settings.cache_clear()
    case_store.cache_clear()


@pytest.fixture(scope="session")
def smear() -> bytes:
    """A small rendered field as a PNG file."""
    return encode_png(
        render(FieldSpec(480, 360, red_cell_px=24, seed=3, blasts=4, neutrophils=2)).image
    )


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set environment variables of the settings for one test."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"ALLCELL_{name.upper()}", str(value))
        settings.cache_clear()
        ledger.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()
    ledger.cache_clear()


Upload = Callable[..., AppTest]


@pytest.fixture
def upload(app: AppTest) -> Upload:
    """Run the app and give files to its uploader, as (name, bytes)."""

    def give(*files: tuple[str, bytes]) -> AppTest:
        if not app.get("file_uploader"):
            app.run()
        uploader = app.get("file_uploader")[0]
        return uploader.set_value([(name, data, "") for name, data in files]).run()

    return give
