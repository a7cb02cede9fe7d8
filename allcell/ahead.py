"""Work on many things in threads, ahead of whoever takes the answers, which come in order."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from allcell.errors import AllcellError
from allcell.settings import settings

Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: With more threads Python's lock, which one of them holds at a time, is what all wait for.
_MOST_WORKERS = 8
#: Items begun or done beyond one for each worker, so that none waits for the one who takes them.
_BEYOND = 2
#: Interval between two calls of `give_up`: one between two runs of a network has no effect.
_AGAIN_S = 0.05


def worker_count() -> int:
    """How many threads may work at once: the cores of this process, or what the settings allow."""
    return min(settings().threads or cores_here(), _MOST_WORKERS)


def cores_here() -> int:
    """The cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


def in_order(
    items: Iterable[Item],
    work: Callable[[Item], Answer],
    *,
    workers: int,
    cost: Callable[[Item], float] = lambda _: 0.0,
    most: float = math.inf,
    give_up: Callable[[], None] = lambda: None,
) -> Generator[tuple[Item, Answer | AllcellError], None, None]:
    """Answers in the order of the items, worked on in threads ahead of the caller.

    Closing the iterator ends the work: what has not begun is dropped, what runs is waited for.

    Args:
        items: What to work on; taken in the caller's thread.
        work: Called in a thread, in the caller's own if there is only one worker.
        workers: Threads.
        cost: What an item takes of `most`, from its beginning until the answer after its own has
            been taken: until then its own may be in use.
        most: No item begins that would make it more, unless no other is under way.
        give_up: Called again and again in the caller's thread until what runs has ended, when the
            iterator is closed early.

    Yields:
        The item and its answer, or the error of ours that it ended with.

    Raises:
        Exception: Any other error of `work`, in the item's place.
    """
    if workers <= 1:
        for item in items:
            yield item, _attempt(work, item)
        return
    coming = iter(items)
    begun: deque[tuple[Item, float, Future[Answer | AllcellError]]] = deque()
    waiting: list[tuple[Item, float]] = []
    in_use = 0.0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="allcell-ahead")
    try:
        while True:
            while len(begun) < workers + _BEYOND:
                if not waiting:
                    for item in coming:
                        waiting.append((item, cost(item)))
                        break
                    else:
                        break
                held = in_use + sum(taken for _, taken, _ in begun)
                if begun and held + waiting[0][1] > most:
                    break
                item, taken = waiting.pop()
                begun.append((item, taken, pool.submit(_attempt, work, item)))
            if not begun:
                return
            answer = begun[0][2].result()
            item, in_use, _ = begun.popleft()
            yield item, answer
    finally:
        left = [future for _, _, future in begun if not future.cancel()]
        while not all(future.done() for future in left):
            give_up()
            time.sleep(_AGAIN_S)
        pool.shutdown()


def _attempt(work: Callable[[Item], Answer], item: Item) -> Answer | AllcellError:
    try:
        return work(item)
    except AllcellError as error:
        return error
