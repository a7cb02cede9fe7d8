"""The fastest way to run a model on this CPU: measured once, kept, and only among equals.

Which runtime is fastest depends on the processor: in 32 bits, OpenVINO took as
long as ONNX Runtime on an AMD EPYC, and in bfloat16 half to two thirds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from allcell.engines.base import Engine
from allcell.engines.choosing import choices
from allcell.engines.choosing.choices import Contender, RuntimeChoice
from allcell.engines.choosing.race import NotedEngine, Open, race
from allcell.environment.versions import installed_versions, machine_name, processor_features
from allcell.errors import AllcellError
from allcell.models.registry import ModelSpec

#: Races for a choice, should time be up too soon: the graphs compiled in one are kept for the next.
_MOST_TRIES = 3
#: Threads that race at once would measure each other.
_ONE_AT_A_TIME = threading.Lock()


def contenders(*, stream: bool, has_int8: bool, has_openvino: bool) -> tuple[Contender, ...]:
    """What may run a model, today's way first, then the most promising.

    Args:
        stream: For live video, where 8 bits will do; else for stills.
        has_int8: Whether the model has a graph in 8 bits.
        has_openvino: Whether OpenVINO is installed.
    """
    small = stream and has_int8
    names = [("onnx", "int8")] * small + [("onnx", "full")]
    if has_openvino:
        # bfloat16 changed the number of blasts in three of 38 validation fields, and cost yolov5s
        # .0041 of AP@0.5:0.95: good enough for a moving picture, not for one that is counted.
        names += [("openvino", "bf16")] * stream + [("openvino", "int8")] * small
        names += [("openvino", "full")]
    return tuple(Contender(runtime=runtime, precision=bits) for runtime, bits in names)


def choice_file(spec: ModelSpec, *, stream: bool, hashes: Sequence[str], threads: int) -> Path:
    """The file that a choice is kept in.

    Args:
        spec: The model.
        stream: See `contenders`.
        hashes: SHA-256 of the graphs.
        threads: CPU threads; 0 = all cores.
    """
    versions = installed_versions()
    facts = [f"{name} {versions.get(name)}" for name in choices.DECIDING]
    facts += [machine_name(), *processor_features(), *hashes, str(threads)]
    return choices.path_of(spec.name, "live" if stream else "stills", *facts)


def open_fastest(
    spec: ModelSpec,
    those: Sequence[Contender],
    open_one: Open,
    *,
    stream: bool,
    hashes: Sequence[str],
    threads: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Engine:
    """Open a model the fastest way, which is measured if it is not known yet.

    Without a cache to keep the choice in, and while another process is measuring, today's way is
    opened. One that can no longer be opened is measured anew.

    Args:
        spec: The model.
        those: From `contenders`.
        open_one: Opens one of them.
        stream: See `contenders`.
        hashes: SHA-256 of the graphs.
        threads: CPU threads; 0 = all cores.
        clock: In seconds.

    Raises:
        ModelError: If not even today's way can be opened.
    """
    if len(those) == 1:
        return open_one(those[0])
    path = choice_file(spec, stream=stream, hashes=hashes, threads=threads)
    with _ONE_AT_A_TIME:
        kept = choices.read(path)
        tries = 0
        if kept is not None and kept.chosen in those:
            if kept.out_of_time and kept.tries < _MOST_TRIES:
                tries = kept.tries
            else:
                try:
                    return _noted(open_one(kept.chosen), _note(kept))
                except AllcellError:
                    if kept.chosen == those[0]:
                        raise
        try:
            with choices.racing(path) as mark:
                choice, engine = race(spec, those, open_one, stream=stream, mark=mark, clock=clock)
                choices.keep(path, choice.model_copy(update={"tries": tries + 1}))
        except (choices.BusyError, OSError):
            return open_one(those[0])
    return _noted(engine, f"{_note(choice)}, measured in {choice.seconds:.1f} s")


def _note(choice: RuntimeChoice) -> str:
    measured = len(choice.milliseconds)
    if measured > 1:
        return f"fastest of {measured}"
    return "too busy to measure others" if choice.out_of_time else "the only one that works here"


def _noted(engine: NotedEngine, note: str) -> Engine:
    engine.note = note
    return engine
