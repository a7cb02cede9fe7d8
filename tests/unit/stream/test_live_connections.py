"""What a connection of live video takes is given back when it ends."""

import time
from collections.abc import Iterator

import pytest

from tests.live_loop import Held, LiveServer, settle

pytestmark = pytest.mark.slow

CYCLES = 5
ENDINGS = [
    pytest.param(False, True, "stop", id="virtual microscope, Stop"),
    pytest.param(False, True, "vanish", id="virtual microscope, the tab is closed"),
    pytest.param(False, False, "stop", id="virtual microscope, left before a picture came"),
    pytest.param(True, True, "stop", id="camera, Stop"),
    pytest.param(True, True, "vanish", id="camera, the tab is closed"),
    pytest.param(True, False, "stop", id="camera, left before a picture came"),
]


@pytest.fixture
def server() -> Iterator[LiveServer]:
    made = LiveServer()
    yield made
    made.close()


@pytest.mark.parametrize(("camera", "frames", "ending"), ENDINGS)
def test_nothing_is_left_of_a_connection(
    server: LiveServer, camera: bool, frames: bool, ending: str
) -> None:
    def cycle() -> None:
        getattr(server.connect(camera=camera, frames=frames), ending)()

    cycle()
    settle()
    before = Held.now()
    for _ in range(CYCLES):
        cycle()
    settle()
    # Threads of codecs end a moment after them.
    patience = time.monotonic() + 5
    while Held.now().threads > before.threads + 1 and time.monotonic() < patience:
        time.sleep(0.05)
    after = Held.now()
    assert len(server.relay) == 0
    assert not [task for task in server.here.tasks() if "_pass_on" in task or "run_track" in task]
    assert after.threads <= before.threads + 1
    assert after.files <= before.files + 1
