"""What teaching is worth: test fields of a laboratory before and after, over draws of its fields.

python tools/teaching_worth.py DATASETS FILE.json [MINUTES]

Runs `allcell teach` from the models that had never seen the laboratory and `allcell evaluate` on
its test fields, and prints the tables of docs/teaching.md. Rows that FILE.json has are kept, so
that it goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from allcell.environment.versions import installed_versions, machine_name

#: The laboratory that is taught, the numbers of its fields, and one that the model knows.
_RUNS = {"taleqani": ((8, 20, 40), "allidb1"), "allidb1": ((8, 20), "taleqani")}
_DRAWS = 3
_KINDS = ("blast", "healthy")
_SCORE = "{}.ap50_as_shown"


def main(datasets: Path, target: Path, minutes: float) -> None:
    """Measure, and write the JSON after each row.

    Args:
        datasets: The folder with the data sets, as `allcell data import-...` writes them.
        target: The JSON.
        minutes: What `allcell teach --longest` is told.
    """
    rows: list[dict[str, Any]] = []
    if target.is_file():
        rows = json.loads(target.read_text(encoding="utf-8"))["rows"]
    done = {(row["taught"], row["fields"], row["draw"]) for row in rows}
    wanted = [
        (lab, fields, draw)
        for draw in range(_DRAWS)
        for lab, (counts, _) in _RUNS.items()
        for fields in (0, *counts)
        if fields or not draw
    ]
    for lab, fields, draw in wanted:
        if (lab, fields, draw) in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_row(datasets, Path(folder), lab, fields, draw, minutes))
        print(json.dumps(rows[-1]), flush=True)
        report = {
            "machine": machine_name(),
            "cores": len(os.sched_getaffinity(0)),
            "versions": installed_versions(),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "rows": rows,
        }
        target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print("\n".join(tables(rows)))


def _row(
    datasets: Path, folder: Path, lab: str, fields: int, draw: int, minutes: float
) -> dict[str, Any]:
    parent, other = f"live-without-{lab}", _RUNS[lab][1]
    row: dict[str, Any] = {"taught": lab, "fields": fields, "draw": draw}
    model = ["--model", "live", "--checkpoint", f"weights/left_out/{parent}.pt"]
    if fields:
        report, began_s = folder / "report.json", time.monotonic()
        asked = f"--data {lab} --take {fields} --seed {draw} --parent {parent} --insist".split()
        asked[1] = str(datasets / lab)
        known = ["--known", str(datasets / other), "--longest", str(minutes)]
        _allcell(folder, "teach", *asked, *known, "--name", "Taught", "--json", str(report))
        told = json.loads(report.read_text(encoding="utf-8"))
        row |= {
            "seconds": round(time.monotonic() - began_s),
            "training_seconds": told["training_seconds"],
            "cells": told["cells"],
            "outcome": told["verdict"]["outcome"],
            "p": told["verdict"]["p"],
            "forgotten": told["parents_laboratories"],
        }
        model = ["--model", told["model"]]
    said = _allcell(folder, "evaluate", "--data", str(datasets / lab), *model, "--json")
    scores = json.loads(said)
    for kind in _KINDS:
        value = scores["classes"][kind]["ap50_as_shown"]
        row[kind] = [value, *scores["intervals"][_SCORE.format(kind)]]
    return row


def _allcell(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "allcell", *words],
        env={**os.environ, "ALLCELL_DATA_DIR": str(folder / "data")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def tables(rows: list[dict[str, Any]]) -> list[str]:
    """The rows as Markdown, a table for each laboratory."""
    lines = []
    for lab, (_, other) in _RUNS.items():
        lines += [
            "",
            f"`{lab}`, test fields, AP@0.5 as shown with 95 % intervals:",
            "",
            f"| fields | draw | blasts | healthy | blasts, {other} | its own comparison |",
            "|---|---|---|---|---|---|",
        ]
        chosen = sorted(
            (row for row in rows if row["taught"] == lab),
            key=lambda row: (row["fields"], row["draw"]),
        )
        for row in chosen:
            told = kept = ""
            if row["fields"]:
                p = f"p = {row['p']:.3f}" if row["p"] >= 0.001 else "p < .001"
                told = f"{row['outcome']}, {p}"
                known = next(one for one in row["forgotten"] if _is_blast_of(one, other))
                kept = f"{known['before']:.3f} -> {known['after']:.3f}"
            scores = ["{:.3f} ({:.3f} to {:.3f})".format(*row[kind]) for kind in _KINDS]
            cells = [row["fields"] or "none", row["draw"], *scores, kept, told]
            lines.append("| " + " | ".join(map(str, cells)).replace("0.", ".") + " |")
    return lines


def _is_blast_of(one: dict[str, Any], laboratory: str) -> bool:
    return one["cell_class"] == "blast" and str(one["laboratory"]).startswith(laboratory)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 5.0)
