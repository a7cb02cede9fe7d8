"""Trainings on some of the fields, and answers on others; what is done is kept, not done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from allcell.ahead import worker_count
from allcell.background.progress import Progress
from allcell.data.dataset import LabelledImage
from allcell.detector import Detector
from allcell.engines.onnx_engine import OnnxEngine
from allcell.environment.files import write_whole
from allcell.evaluation.predictions import Predictions, Setting, predict
from allcell.teaching.judging.folds import Folds
from allcell.teaching.parents import Parent
from allcell.teaching.plan import A_FIELD_S, Plan
from allcell.teaching.state import State
from allcell.teaching.ways.way import TeachingWay
from allcell.training.adapting import AdaptTiles, Shown, rendered_fields

#: Files of the training under way and of the graph that is judged.
_TRAINING, _GRAPH, _PARENT = "training.pt", "graph.onnx", "parent.onnx"


class Trainings:
    """All trainings of one teaching.

    Args:
        folder: Of the teaching.
        progress: Told how far it is; raises where it is to stop.
        images: The reviewed fields.
        shown: The same at the magnification of training, in the same order.
        parent: The model that is taught.
        way: How.
    """

    def __init__(
        self,
        folder: Path,
        progress: Progress[State],
        images: Sequence[LabelledImage],
        shown: Shown,
        parent: Parent,
        way: TeachingWay,
    ) -> None:
        self.folder, self.progress, self.images = folder, progress, images
        self.shown, self.parent, self.way = shown, parent, way
        self._rendered: Shown | None = None

    def seconds_a_tile(self) -> float:
        """How long a tile takes on this computer, in seconds."""
        # A tile of a rendered field takes as long, and rendering them has to wait for the plan.
        settings = replace(self.way.settings, rehearsal=0.0)
        tiles = AdaptTiles(self.shown, None, self.parent.spec, settings)
        return self.way.seconds_a_tile(self.parent, tiles)

    def render(self) -> None:
        """Render the smears of other stains that the trainings rehearse, if that is not done."""
        settings = self.way.settings
        if settings.rehearsal and self._rendered is None:
            self.progress.begin("Renders smears of other stains")
            self._rendered = rendered_fields(self.parent.spec, settings, self.progress.step)

    def parents_graph(self) -> Path:
        """The parent as ONNX, made by the same way as the taught ones."""
        path = self.folder / _PARENT
        if not path.is_file():
            self.way.parents_graph(self.parent, path, self._picture())
        return path

    def answers_of_parent(self) -> Predictions:
        """The parent's answers on all fields."""
        seconds = self.way.around_s + len(self.images) * A_FIELD_S
        self.progress.begin("Asks the model as it is", seconds)
        path = self.folder / "part-parent.json"
        kept = _kept(path)
        if kept is None:
            kept = self._answers(self.parents_graph(), range(len(self.images)))
            write_whole(path, kept.to_json().encode())
        self.progress.end()
        return kept

    def held_out(self, folds: Folds, name: str, plan: Plan, tiles: int, words: str) -> Predictions:
        """Answers on all fields, each by a model that has not seen it.

        Args:
            folds: Which fields are held out together.
            name: Of these trainings among those of the teaching.
            plan: How long a tile takes.
            tiles: How many are seen in each.
            words: What is done, for people.
        """
        found: dict[int, Predictions] = {}
        of = len(folds.parts)
        for part, held in enumerate(folds.parts):
            path = self.folder / f"part-{name}-{part}.json"
            kept = _kept(path)
            skipped = kept is not None
            if not skipped:
                self.render()
            self.progress.begin(
                f"{words}, {part + 1} of {of}", self.way.around_s + tiles * plan.tile_s
            )
            if kept is None:
                graph = self.folder / _GRAPH
                self.train(folds.others(part), tiles, graph, f"{name}-{part}")
                kept = self._answers(graph, held)
                write_whole(path, kept.to_json().encode())
                graph.unlink()
            found[part] = kept
            self.progress.end(skipped=skipped)
        images = {
            n: image
            for part, held in enumerate(folds.parts)
            for n, image in zip(held, found[part].images, strict=True)
        }
        return replace(found[0], images=tuple(images[n] for n in range(len(self.images))))

    def train(self, learned: Sequence[int], tiles: int, target: Path, key: str) -> None:
        """Train on some of the fields, and write the network as ONNX; see `render`.

        Args:
            learned: Numbers of the fields.
            tiles: How many tiles are seen.
            target: The file to write.
            key: Tells this training from the others of the teaching.
        """
        state = self.folder / _TRAINING
        self.way.train(
            self.parent,
            self._tiles(learned, tiles),
            target,
            state,
            key=f"{key} {tiles}",
            on_step=self.progress.step,
        )
        state.unlink(missing_ok=True)

    def _tiles(self, learned: Sequence[int], tiles: int) -> AdaptTiles:
        settings = replace(self.way.settings, tiles=tiles)
        return AdaptTiles(self.shown.of(learned), self._rendered, self.parent.spec, settings)

    def _picture(self) -> npt.NDArray[np.uint8]:
        tiles = AdaptTiles(self.shown, None, self.parent.spec, self.way.settings)
        return np.ascontiguousarray(tiles.make(0)[0])

    def _answers(self, graph: Path, fields: Sequence[int]) -> Predictions:
        spec = self.parent.spec
        # From memory: the file is written anew for the next training.
        engine = OnnxEngine(graph.read_bytes(), threads=worker_count())
        setting = Setting(
            model=spec.name,
            model_sha256=self.parent.sha256,
            device=engine.description,
            data="reviewed fields",
            split="held out",
            confidence=spec.confidence,
            iou=spec.iou,
        )
        return predict(
            Detector(spec, engine),
            [self.images[n] for n in fields],
            setting,
            classes=spec.classes,
            # What is compared is the same set in the end, not the same part of it.
            sha256=self.folder.name,
        )


def _kept(path: Path) -> Predictions | None:
    return Predictions.from_json(path.read_text(encoding="utf-8")) if path.is_file() else None
