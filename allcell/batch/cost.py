"""What a large run costs, on paper: from what was measured, and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from allcell.batch.job import PART_INPUTS
from allcell.errors import DataError

#: What the plan is for.
MILLION = 1_000_000
#: Machines in the plan: how many, and cores of each. A core of them is taken for one of those that
#: were measured.
FLEETS = ((1, 8), (1, 64), (10, 16), (50, 16))
#: What is asked: so many times one worker on one core, with two on two; and at most so much more
#: time than a plain loop.
ASKED_TIMES, ASKED_OVERHEAD = 1.7, 0.15
BEGIN, END = (
    "<!-- measured: written by `allcell batch-plan --write` -->",
    "<!-- end of measured -->",
)

Record = Mapping[str, Any]


def _way(measured: Record, way: str, workers: int, cores: int) -> Record | None:
    ways: Sequence[Record] = measured["ways"]
    wanted = (way, workers, cores)
    return next((w for w in ways if (w["way"], w["workers"], w["cores"]) == wanted), None)


def times_faster(measured: Record, way: str) -> float | None:
    """How many times as fast all workers on all cores are as one on one; None if unknown."""
    most = max(w["workers"] for w in measured["ways"])
    one, all_of_them = _way(measured, way, 1, 1), _way(measured, way, most, most)
    return one["seconds"] / all_of_them["seconds"] if one and all_of_them and most > 1 else None


def overhead(measured: Record, way: str, cores: int = 1) -> float | None:
    """How much more time one worker takes than a plain loop on a core, as a share of its time.

    Args:
        measured: What was measured.
        way: The engine.
        cores: That the worker and the engine's own processes have together.
    """
    one, loop = _way(measured, way, 1, cores), _way(measured, "loop", 1, 1)
    return one["seconds"] / loop["seconds"] - 1 if one and loop else None


def core_hours(measured: Record, fields: int) -> float:
    """Hours of a core that so many fields take, with all workers and the slower of the engines.

    The start of the workers is no part of it: a large run starts them once.
    """
    most = max(w["workers"] for w in measured["ways"])
    engines = [w for w in measured["ways"] if w["way"] != "loop" and w["workers"] == most]
    # The first part has come when the clock starts, of each worker.
    late = [
        (w["seconds"] - w["first_s"]) / max(1, measured["fields"] - most * PART_INPUTS)
        for w in engines
    ]
    return float(max(late) * most * fields / 3600)


def plan_text(
    measured: Record, fields: int = MILLION, price: float | None = None, share: float | None = None
) -> str:
    """The plan for a run, in Markdown.

    Args:
        measured: What `allcell.batch.measure.batch_speed` kept.
        fields: How many photographs.
        price: Of a core and hour, in any currency; left out if None.
        share: Of the time of a photograph that runs of the network take (see `network_share`).

    Raises:
        DataError: If too little was measured for it.
    """
    if measured["fields"] <= 2 * PART_INPUTS * max(w["workers"] for w in measured["ways"]):
        raise DataError(
            f"{measured['fields']} fields are too few to tell how fast many are.",
            "Measure 500: allcell batch-speed --save.",
        )
    hours = core_hours(measured, fields)
    width, height = measured["field_px"]
    result_bytes = max(w["result_bytes"] for w in measured["ways"]) / measured["fields"]
    said = [
        f"{fields:,} photographs of {width}x{height} take {hours:,.0f} hours of a core with "
        f"`{measured['model']}` ({fields / (3600 * hours):.1f} a second on each), read "
        f"{fields * measured['field_bytes'] / 1e12:.2f} TB and write "
        f"{fields * result_bytes / 1e9:.1f} GB in {math.ceil(fields / PART_INPUTS):,} parts. A "
        "storage has to give "
        f"{measured['field_bytes'] * fields / (3600 * hours) / 1e6:.1f} MB a second for each core.",
        "",
        "| machines | cores of each | hours |" + (" price |" if price else ""),
        "|---|---|---|" + ("---|" if price else ""),
    ]
    for machines, cores in FLEETS:
        row = f"| {machines} | {cores} | {hours / (machines * cores):,.1f} |"
        said.append(row + (f" {hours * price:,.0f} |" if price else ""))
    if share is not None:
        said += [
            "",
            f"A graphics card takes over the runs of the network, {100 * share:.0f} % of a "
            "photograph's time on a CPU; reading, decoding and measuring stay with the cores. So "
            f"a server with a card is at most {1 / (1 - share):.1f} times as fast as without, "
            "however fast the card.",
        ]
    return "\n".join(said)


def measured_text(measured: Record) -> str:
    """What was measured, in Markdown, beside what is asked."""
    rows = [
        f"| {w['way']} | {w['workers']} | {w['cores']} | {w['seconds']:.1f} | {w['first_s']:.1f} | "
        f"{measured['fields'] / w['seconds']:.1f} |"
        for w in measured["ways"]
    ]
    width, height = measured["field_px"]
    said = [
        f"{measured['fields']} rendered photographs of {width}x{height} "
        f"({measured['machine']}, {measured['date']}; `allcell batch-speed --save`):",
        "",
        "| way | workers | cores | seconds, start included | until the first result | a second |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    most = max(w["cores"] for w in measured["ways"])
    for way, name in (("ray", "Ray"), ("processes", "Processes")):
        times, more = times_faster(measured, way), overhead(measured, way, most)
        alone = overhead(measured, way)
        if times is not None and more is not None and alone is not None:
            said += [
                "",
                f"{name}: all workers are {times:.2f} times as fast as one on one core (at least "
                f"{ASKED_TIMES} is asked: {_met(times >= ASKED_TIMES)}); one worker takes "
                f"{100 * more:+.0f} % of the plain loop's time on this machine (at most "
                f"{100 * ASKED_OVERHEAD:+.0f} % is asked: {_met(more <= ASKED_OVERHEAD)}), and "
                f"{100 * alone:+.0f} % where all processes have to share its core.",
            ]
    return "\n".join(said)


def section(metrics: Path, model: str, fields: int = MILLION, price: float | None = None) -> str:
    """What was measured and the plan that follows, in Markdown.

    Args:
        metrics: Where the measurements are kept.
        model: Name of the model.
        fields: See `plan_text`.
        price: Likewise.

    Raises:
        DataError: If nothing or too little was measured.
    """
    kept = metrics / f"{model}_batch.json"
    if not kept.is_file():
        raise DataError(
            f"`batch` was not measured with {model}.", "Measure it: allcell batch-speed --save."
        )
    measured = json.loads(kept.read_text("utf-8"))
    photograph = metrics / f"{model}_photograph.json"
    share = (
        network_share(json.loads(photograph.read_text("utf-8"))) if photograph.is_file() else None
    )
    return f"{measured_text(measured)}\n\n{plan_text(measured, fields, price, share)}"


def network_share(photograph: Record) -> float | None:
    """What share of a photograph's time runs of the network take, as `--photograph` measured."""
    stages = photograph.get("stages", {})
    network, whole = stages.get("of it network"), photograph.get("whole")
    return network["median"] / whole["median"] if network and whole else None


def with_measured(text: str, section: str) -> str:
    """The document with a section between its marks.

    Raises:
        DataError: If it lacks the marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise DataError("The document has lost its marks.", f"Restore {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"


def _met(is_met: bool) -> str:
    return "met" if is_met else "**not met**"
