"""The cross-laboratory table's numbers: each laboratory scored by models that never saw it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from allcell.data.laboratories import LABORATORIES
from allcell.errors import DataError
from allcell.evaluation.publish import answer, keep
from allcell.evaluation.publish_classifiers import measure_classifiers
from allcell.evaluation.published_sets import TEST_PARTS, images_of
from allcell.models.left_out import left_out_dir, left_out_models
from allcell.models.registry import MODELS
from allcell.models.weights import read_manifest, verified


def publish_laboratories(data_dir: Path, weights_dir: Path, say: Callable[[str], None]) -> None:
    """Score every shipped model, and those that did without one, on each laboratory's test part.

    Args:
        data_dir: Folder with the data sets as `python -m allcell data` makes them; one that is not
            there keeps its numbers.
        weights_dir: Folder of the manifest.
        say: Called with a line of text at each step.

    Raises:
        DataError: If none of the data sets is there.
        ModelError: If a weight file does not match its manifest.
    """
    there = [part for part in TEST_PARTS if (data_dir / part[0]).is_dir()]
    if not there:
        raise DataError(
            f"No data set of a laboratory is in {data_dir}.",
            f"Expected folders named {', '.join(LABORATORIES)}: make them with `python -m allcell "
            "data`, and name the folder that holds them.",
        )
    manifest = read_manifest(weights_dir)
    for data, split in TEST_PARTS:
        images = images_of(data_dir, (data, split), say)
        for spec in MODELS if images else ():
            if spec.name in manifest:
                keep(answer(spec.name, images, data, split), weights_dir, say)
    measure_classifiers(data_dir, weights_dir, say, there)
    publish_left_out(data_dir, weights_dir, say)


def publish_left_out(data_dir: Path, weights_dir: Path, say: Callable[[str], None]) -> None:
    """Score the models that did without a laboratory on the test part of just that one.

    Args:
        data_dir: See `publish_laboratories`.
        weights_dir: See `publish_laboratories`.
        say: See `publish_laboratories`.

    Raises:
        ModelError: If a weight file does not match its manifest.
    """
    folder = left_out_dir(weights_dir)
    models = left_out_models(weights_dir)
    for laboratory in LABORATORIES.values():
        unseen = [model for model in models if laboratory.name not in model.seen]
        if not unseen:
            say(f"{laboratory.name}: no model is here that never saw it")
            continue
        images = images_of(data_dir, (laboratory.name, laboratory.test), say)
        for model in unseen if images else ():
            answers = answer(
                model.spec,
                images,
                laboratory.name,
                laboratory.test,
                checkpoint=verified(model.files.checkpoint, folder),
            )
            keep(answers, weights_dir, say)
