"""Who runs a shared network next, and how a task is interrupted."""

from __future__ import annotations

import threading
from collections import deque

from allcell.engines.base import Engine, RunInterrupted


class Task:
    """The network runs of one call; inside `with task` they can be interrupted.

    A class instead of `contextlib.contextmanager`, whose overhead costs a live frame more than the
    lock does.

    Args:
        turns: The network's turns. A thread has one task at a time.

    Attributes:
        thread_id: The calling thread.
        interrupted: Whether it has been told to end.
        gate: Locked while the task waits for its turn.

    Raises:
        RunInterrupted: On leaving, if the interrupt came too late to end a run.
    """

    def __init__(self, turns: Turns) -> None:
        self.thread_id = threading.get_ident()
        self.interrupted = False
        self.gate = threading.Lock()
        self._turns = turns

    def __enter__(self) -> None:
        self._turns.add(self)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._turns.remove(self)
        if self.interrupted and kind is None:
            raise RunInterrupted


class Turns:
    """One run of a network at a time, first come, first served: `with turns` is one task's turn.

    A `threading.Lock` is not fair: a thread that releases it and acquires it again at once nearly
    always beats one that waits.

    Args:
        engine: The network.

    Raises:
        RunInterrupted: Instead of a turn, if the task is interrupted first.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._change = threading.Lock()
        self._tasks: dict[int, Task] = {}
        self._waiting: deque[Task] = deque()
        self._has_turn: Task | None = None

    def add(self, task: Task) -> None:
        """Register a task: from here on it can take turns and be interrupted."""
        with self._change:
            self._tasks[task.thread_id] = task

    def remove(self, task: Task) -> None:
        """Forget a task; from here on it cannot be interrupted."""
        with self._change:
            del self._tasks[task.thread_id]

    def __enter__(self) -> None:
        with self._change:
            task = self._tasks[threading.get_ident()]
            if task.interrupted:
                raise RunInterrupted
            waits = self._has_turn is not None
            if waits:
                task.gate.acquire()
                self._waiting.append(task)
            else:
                self._has_turn = task
        if waits:
            self._wait(task)
            with self._change:
                if self._has_turn is not task:
                    raise RunInterrupted

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._next()

    def interrupt(self, thread_id: int | None) -> bool:
        """See `allcell.detector.Detector.interrupt`."""
        # Under the lock no turn ends, and so none begins.
        with self._change:
            tasks = [t for t in self._tasks.values() if thread_id in (None, t.thread_id)]
            for task in tasks:
                task.interrupted = True
                if task is self._has_turn:
                    self._engine.interrupt()
                elif task in self._waiting:
                    self._waiting.remove(task)
                    task.gate.release()
            return bool(tasks)

    def _wait(self, task: Task) -> None:
        try:
            task.gate.acquire()
        except BaseException:  # Ctrl-C: the others must not wait for a task that is gone
            with self._change:
                if task in self._waiting:
                    self._waiting.remove(task)
                elif self._has_turn is task:
                    self._next()
            raise
        task.gate.release()

    def _next(self) -> None:
        # Handed over, not released: no newcomer can jump the queue.
        self._has_turn = self._waiting.popleft() if self._waiting else None
        if self._has_turn is not None:
            self._has_turn.gate.release()
