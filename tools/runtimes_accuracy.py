"""AP of each runtime and precision of this machine on the test fields of ALL-IDB1, as one JSON.

python tools/runtimes_accuracy.py DATASETS/allidb1 FILE.json live yolov5s
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from allcell.data.yolo_sets import read_yolo
from allcell.environment.versions import installed_versions, machine_name, processor_features
from allcell.errors import AllcellError
from allcell.evaluation.evaluate import score
from allcell.evaluation.publish import answer
from allcell.runs.runtimes import ways


def main(data: Path, target: Path, models: list[str]) -> None:
    """Measure the models and write the JSON.

    Args:
        data: The data set, as `allcell data import-allidb1` writes it.
        target: The JSON.
        models: Their names.
    """
    images = read_yolo(data, "test")
    rows = []
    for model in models:
        for way in ways(model):
            try:
                answers = answer(
                    model,
                    images,
                    "allidb1",
                    "test",
                    runtime=way.runtime,
                    precision=way.precision,
                    device=way.device,
                )
            except AllcellError as error:
                print(f"{model}, {way}: {error}", flush=True)
                continue
            result = score(answers)
            rows.append(
                {
                    "model": model,
                    "runtime": way.runtime,
                    "precision": way.precision,
                    "description": answers.setting.device,
                    "map50_as_shown": result.map50_as_shown,
                    "map50": result.map50,
                    "map50_95_as_shown": result.map50_95_as_shown,
                    "map50_95": result.map50_95,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    report = {
        "data": "allidb1",
        "split": "test",
        "fields": len(images),
        "machine": machine_name(),
        "features": processor_features(),
        "versions": installed_versions(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "rows": rows,
    }
    target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
