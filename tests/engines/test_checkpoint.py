"""allcell.models.checkpoint: what is no checkpoint is told, and which class is which."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from allcell.data.dataset import LabelledImage
from allcell.detections import Detections
from allcell.engines.opening import open_checkpoint
from allcell.errors import ModelError
from allcell.evaluation.evaluate import score
from allcell.evaluation.publish import answer
from allcell.imaging.images import encode_png
from allcell.models.registry import CLASSES
from allcell.models.weights import model_files, verified
from allcell.synth import FieldSpec, render

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

LIVE = verified(model_files("live").checkpoint)


class Shifted(torch.nn.Module):
    """A network that is none of ultralytics."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


def state(path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3)}, path)


def script(path: Path) -> None:
    torch.jit.script(Shifted()).save(str(path))


def module(path: Path) -> None:
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), path)


def text(path: Path) -> None:
    path.write_bytes(b"weights, honestly")


@pytest.mark.parametrize("write", [state, script, module, text])
def test_what_is_no_checkpoint_is_told_as_such(tmp_path: Path, write) -> None:
    """In a sentence that says what to give."""
    write(tmp_path / "mine.pt")
    with pytest.raises(ModelError, match=r"mine\.pt is no checkpoint of a detector") as refused:
        open_checkpoint(tmp_path / "mine.pt", device="cpu")
    assert "best.pt" in refused.value.remedy


def with_names(target: Path, names: dict[int, str], order: list[int]) -> Path:
    """Our own network with its classes in another order, as its names say."""
    loaded = torch.load(LIVE, weights_only=False)
    model = loaded["ema"] or loaded["model"]
    model.names = names
    rows = torch.tensor(order)
    for name, values in model.state_dict().items():
        if values.ndim and values.shape[0] == len(CLASSES) and ".cv3." in name:
            values.copy_(values[rows].clone())
    torch.save(loaded, target)
    return target


def test_the_names_of_a_checkpoint_say_which_class_is_which(tmp_path: Path) -> None:
    """Those of ultralytics' own data.yaml, whatever their order; others are refused."""
    field = render(FieldSpec(640, 480, red_cell_px=28, seed=11, blasts=5, neutrophils=4))
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(field.image))
    truth = Detections.truth(field.truth.xyxy, field.truth.class_id)
    image = LabelledImage(path, truth, np.zeros((0, 4), np.float32), None)
    same = shutil.copy(LIVE, tmp_path / "same.pt")
    swapped = with_names(
        tmp_path / "swapped.pt", {0: CLASSES[1], 1: CLASSES[0], 2: CLASSES[2]}, [1, 0, 2]
    )
    scores = [
        score(answer("live", [image], "mine", "val", device="cpu", checkpoint=one)).map50
        for one in (Path(same), swapped)
    ]
    assert scores[0] is not None
    assert scores[0] > 0.8
    assert scores[1] == pytest.approx(scores[0])
    other = with_names(tmp_path / "other.pt", {0: "a", 1: "b", 2: "c"}, [0, 1, 2])
    with pytest.raises(ModelError, match=r"names its classes a, b, c"):
        answer("live", [image], "mine", "val", device="cpu", checkpoint=other)
