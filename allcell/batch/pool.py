"""Workers as processes of this machine, by Python's own library."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from allcell.batch.answers import WorkerSetup, use_threads
from allcell.batch.job import BatchPart
from allcell.batch.work import PartDone, PartWorker
from allcell.errors import DataError

#: Parts that lie ready for each worker, its own included.
_AHEAD = 2
#: Workers may be lost so often without a part having been done in between.
_MOST_LOSSES = 5
#: What keeps a library's own pool of threads to a number.
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")

_INTERRUPTS = {signal.SIGINT}
#: How often a worker looks whether its parent is still there.
_LOOK_S = 1.0

#: What a worker process works with, and its worker once it has begun.
_setups: list[WorkerSetup] = []
_here: list[PartWorker] = []


def in_processes(
    setup: WorkerSetup, parts: Sequence[BatchPart], workers: int
) -> Generator[PartDone, None, None]:
    """Do parts in processes, in any order; a lost process is replaced.

    Closing the iterator ends the work.

    Args:
        setup: What the workers need to know.
        parts: What is to be done.
        workers: How many processes.

    Raises:
        AllcellError: If a worker cannot begin.
        DataError: If workers are lost again and again.
        OSError: If results cannot be written.
    """
    left = {part.number: part for part in parts}
    losses = 0
    while left:
        try:
            with _one_pool(setup, list(left.values()), min(workers, len(left))) as done:
                for answer in done:
                    del left[answer.number]
                    losses = 0
                    yield answer
        except BrokenProcessPool as error:
            losses += 1
            if losses > _MOST_LOSSES:
                raise DataError(
                    f"Worker processes ended {losses} times without finishing anything.",
                    "Is there enough memory? Give fewer --workers; what is done is kept.",
                ) from error


@contextlib.contextmanager
def _one_pool(
    setup: WorkerSetup, parts: Sequence[BatchPart], workers: int
) -> Iterator[Iterator[PartDone]]:
    before = {name: os.environ.get(name) for name in _POOLS}
    os.environ.update(dict.fromkeys(_POOLS, str(setup.threads)))  # inherited
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(setup,)
    )
    try:
        yield _done(pool, parts, workers)
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _done(
    pool: ProcessPoolExecutor, parts: Sequence[BatchPart], workers: int
) -> Iterator[PartDone]:
    coming = iter(parts)
    running = _submitted(pool, islice(coming, _AHEAD * workers))
    while running:
        ended, running = wait(running, return_when=FIRST_COMPLETED)
        running |= _submitted(pool, islice(coming, len(ended)))
        for future in ended:
            yield future.result()


def _submitted(pool: ProcessPoolExecutor, parts: Iterator[BatchPart]) -> set[Future[PartDone]]:
    """Hand parts in; a process that this starts hears no Ctrl-C before it knows what to do then."""
    masks = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS) if masks else None
    try:
        return {pool.submit(_do, part) for part in parts}
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(setup: WorkerSetup) -> None:
    # What is not done is not counted, so there is nothing to clear up. In the background of a shell
    # it is ignored, and stays so.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    use_threads(setup.threads, setup.job.variables)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _setups[:] = [setup]
    _here.clear()


def _end_with(parent: int) -> None:
    """End this process when its parent, killed, leaves it alone: it would wait for ever."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def _do(part: BatchPart) -> PartDone:
    # Opened here: what an initializer raises is only logged.
    if not _here:
        _here.append(PartWorker(_setups[0]))
    return _here[0].do(part)
