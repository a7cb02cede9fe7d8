"""One inference thread for each loaded model, shared fairly by all its viewers."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable

from allcell.detector import Detector
from allcell.own.opening import open_model

log = logging.getLogger(__name__)

Task = Callable[[Detector], None]

#: An idle thread ends after this long, so that it need not be stopped explicitly.
IDLE_S = 1.0
#: An owner whose task was run within this time counts as looking.
_LOOKING_S = 2.0

_OPEN: weakref.WeakSet[ModelWorker] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """The interpreter aborts if it exits while a thread is inside the engine's C++ code."""
    for worker in list(_OPEN):
        worker.close()


class ModelWorker:
    """Runs tasks on a model in a thread of its own: one waiting task per owner, owners in turn.

    The thread starts with the first task and ends by itself soon after the last.

    Args:
        detector: The model.
    """

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self._wake = threading.Condition()
        self._waiting: OrderedDict[Hashable, Task] = OrderedDict()
        self._served_s: dict[Hashable, float] = {}
        self._served_now: Hashable | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        _OPEN.add(self)

    def submit(self, owner: Hashable, task: Task) -> bool:
        """Queue a task; it replaces the owner's waiting task, if any, in its place in the queue.

        Args:
            owner: Whose turn it takes.
            task: Called with the detector in the worker's thread.

        Returns:
            Whether a waiting task was replaced.
        """
        with self._wake:
            replaced = owner in self._waiting
            self._waiting[owner] = task
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(
                    target=self._run, name=f"model-{self.detector.spec.name}", daemon=True
                )
                self._thread.start()
            self._wake.notify()
            return replaced

    def interrupt(self, owner: Hashable) -> bool:
        """Interrupt an owner's running task; the task of another owner goes on.

        Returns:
            Whether there was a run to interrupt.
        """
        # The lock keeps the next task from starting in between.
        with self._wake:
            thread = self._thread
            return (
                self._served_now is owner
                and thread is not None
                and self.detector.interrupt(thread.ident)
            )

    def drop(self, owner: Hashable) -> None:
        """Forget an owner: interrupt its running task and drop its waiting one."""
        self.interrupt(owner)
        with self._wake:
            self._waiting.pop(owner, None)
            self._served_s.pop(owner, None)

    def owners(self) -> int:
        """How many owners were served recently."""
        with self._wake:
            horizon = time.monotonic() - _LOOKING_S
            self._served_s = {o: at for o, at in self._served_s.items() if at >= horizon}
            return len(self._served_s)

    def warm_up(self, width_px: int, height_px: int) -> None:
        """Run the model once at its default size, so that the first frames are not slow."""
        self.detector.warm_up(width_px, height_px)

    def close(self, timeout_s: float = 1.0) -> None:
        """Drop waiting tasks and end the thread; a later task starts it again."""
        with self._wake:
            self._waiting.clear()
            self._closing = True
            thread = self._thread
            self._wake.notify()
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closing, timeout=IDLE_S)
                if not self._waiting:
                    self._thread = None
                    self._served_s.clear()
                    return
                owner, task = self._waiting.popitem(last=False)
                self._served_s[owner] = time.monotonic()
                self._served_now = owner
            try:
                task(self.detector)
            except Exception:  # one owner's task must not end the thread that all share
                log.exception("A task on the model %s failed.", self.detector.spec.name)
            with self._wake:
                self._served_now = None
            # Otherwise the frame would stay in memory until the next task.
            del owner, task


def open_live(model: str, *, device: str = "auto") -> ModelWorker:
    """Load a model for live video: the fastest way, its 8-bit graph included.

    Args:
        model: Its name, see `allcell.own.finding.find_model`.
        device: See `Detector.open`.

    Raises:
        ModelError: If there is no such model, or its weights cannot be used.
        DeviceError: If the device is not there.
    """
    return ModelWorker(open_model(model, device=device, precision="live"))
