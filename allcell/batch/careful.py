"""Inputs tried one by one in a process of their own: one of them ended the workers before."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Self

from allcell.batch.answers import Answer, WorkerSetup, answers, open_detector, use_threads
from allcell.batch.inputs import BatchInput
from allcell.batch.tables import failure_row
from allcell.errors import ImageError

#: A child process's worker.
_here: dict[str, Any] = {}


class Careful:
    """Answers inputs in a child process; one that ends it, or that it fails on, is a failure.

    Args:
        setup: See `allcell.batch.work.PartWorker`.
        part: The part that the inputs belong to.
    """

    def __init__(self, setup: WorkerSetup, part: int) -> None:
        self._setup, self._part = setup, part
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def answer(self, one: BatchInput) -> Answer:
        """The rows of one input, or the row of its failure."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1,
                multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._setup,),
            )
        try:
            answer: Answer = self._pool.submit(_answer, one, self._part).result()
            return answer
        except BrokenProcessPool:
            self._end()
            why = ImageError(
                f"{one.address} ended the process that read it, more than once.",
                "It may be damaged, or need more memory than a worker has: try it on its own.",
            )
        except Exception as error:
            why = ImageError(f"{one.address} cannot be analysed: {error!r:.200}.", "")
        return None, [], failure_row(one.address, why, self._part)


def _begin(setup: WorkerSetup) -> None:
    use_threads(setup.threads, setup.job.variables)
    _here["setup"] = setup
    _here["detector"] = open_detector(setup)


def _answer(one: BatchInput, part: int) -> Answer:
    [answer] = answers(_here["detector"], _here["setup"].job, [(one, None)], part)
    return answer
