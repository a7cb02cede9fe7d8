"""An engine for the tests of long runs: a run can be held, and interrupted while it is held."""

import threading

import numpy as np

from allcell.engines.base import RunInterrupted
from allcell.models.registry import get_spec

SPEC = get_spec("live")


class Engine:
    """Sees one blast in the middle; may wait for a sign, or for being interrupted."""

    description = "engine of the test"

    def __init__(self, gate=None, free_runs=0):
        self.gate, self.free_runs, self.runs = gate, free_runs, 0
        self.reached = threading.Event()
        self.given_up = threading.Event()

    def interrupt(self):
        self.given_up.set()

    def run(self, image):
        self.runs += 1
        if self.gate is not None and self.runs > self.free_runs:
            self.reached.set()
            while not self.gate.wait(0.01):
                if self.given_up.is_set():
                    raise RunInterrupted
        height, width = image.shape[:2]
        output = np.zeros((4 + len(SPEC.classes), 1), np.float32)
        output[:5, 0] = (width / 2, height / 2, width / 4, height / 4, 0.9)
        return output
