"""The metrics stored with a model's weights, for every page that shows scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from allcell.report.metrics_files import read_current
from allcell.report.paper import CNN_COPIES, CNN_RIGHT
from allcell.settings import settings
from allcell.ui.shell.catalog import Listing

MEASURED, INTERVAL, PUBLISHED = "Measured", "95 % interval", "Published"
#: Title of the column of `with_size`.
SIZE = "Parameters, file"


def test_metrics(entry: Listing) -> dict[str, Any] | None:
    """The evaluator's JSON on the test fields; None if there is none for the weights in use."""
    return read_current(settings().weights_dir, entry.spec.name, entry.files, "allidb1_test")


def training_curve(name: str) -> pd.DataFrame | None:
    """A model's training curve, one row per epoch; None if none is stored."""
    path = settings().weights_dir / "metrics" / f"{name}_training.csv"
    return pd.read_csv(path) if path.is_file() else None


def with_size(table: pd.DataFrame, entries: Iterable[Listing]) -> pd.DataFrame:
    """A table of models with the size of each after its first two columns.

    Args:
        table: Its column "Model" has their titles.
        entries: The models.
    """
    sizes = {entry.spec.title: _size(entry) for entry in entries}
    out = table.copy()
    out.insert(2, SIZE, [sizes.get(str(title), "") for title in table["Model"]])
    return out


def _size(entry: Listing) -> str:
    """Parameters and file size in words; of an ONNX file, its size alone."""
    if entry.user_model is not None:
        return f"{entry.user_model.network.size_bytes / 1e6:.1f} MB"
    if entry.own is not None:
        return f"{entry.own.size_bytes / 1e6:.1f} MB"
    if entry.files is None:
        return ""
    megabytes = entry.files.checkpoint.bytes / 1e6
    return f"{entry.files.parameters / 1e6:.1f} M, {megabytes:.1f} MB"


def classifier_rows(metrics: dict[str, Any]) -> pd.DataFrame:
    """Right answers over the fields, and over their rotated copies as the paper counted.

    Args:
        metrics: The evaluator's JSON of a whole-field classifier.
    """
    fields = metrics["counts"]["accuracy"]
    copies = metrics["as_the_paper_counted"]["accuracy"]
    return pd.DataFrame(
        [
            {
                "Right answers": "Fields",
                MEASURED: f"{fields['k']} of {fields['n']}",
                INTERVAL: f"{fields['low']:.3f} to {fields['high']:.3f}",
                PUBLISHED: "",
            },
            {
                "Right answers": "Rotated copies, as in the paper",
                MEASURED: f"{copies['k']} of {copies['n']}",
                INTERVAL: "none: not independent",
                PUBLISHED: f"{CNN_RIGHT} of {CNN_COPIES}",
            },
        ]
    )
