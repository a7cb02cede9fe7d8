"""A WebRTC frame is passed on as soon as its last packet arrives."""

import asyncio
import random
import threading
import time
from collections import deque
from types import SimpleNamespace

import pytest
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket
from streamlit_webrtc.process import AsyncVideoProcessTrack

from allcell.ui.live.webrtc_tuning import tune

pytestmark = pytest.mark.slow

FIRST = 65_530  # sequence numbers begin anew during a test


def packet(number, timestamp, data=b"x", *, last=False):
    made = RtpPacket(sequence_number=(FIRST + number) % 65_536, timestamp=timestamp, marker=last)
    made._data = data
    return made


@pytest.fixture
def buffer():
    tune()
    return JitterBuffer(capacity=64, is_video=True)


def given(buffer, *packets):
    """What comes out after each packet."""
    frames = [buffer.add(p)[1] for p in packets]
    return [frame and (frame.timestamp, frame.data) for frame in frames]


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        pytest.param([(0, 1, b"a", True)], [(1, b"a")], id="one packet"),
        pytest.param(
            [(0, 1, b"a", False), (1, 1, b"b", True), (2, 2, b"c", True)],
            [None, (1, b"ab"), (2, b"c")],
            id="two packets",
        ),
        pytest.param(
            [(0, 1, b"a", False), (2, 1, b"c", True), (1, 1, b"b", False)],
            [None, None, (1, b"abc")],
            id="one came late",
        ),
        pytest.param(
            [(0, 1, b"a", True), (2, 3, b"c", True), (1, 2, b"b", True), (3, 4, b"d", True)],
            [(1, b"a"), None, (2, b"b"), (3, b"c")],
            id="a frame came late",
        ),
        pytest.param(
            [(0, 1, b"a", False), (1, 2, b"b", True), (2, 3, b"c", True)],
            [None, (1, b"a"), (2, b"b")],
            id="an end that is not marked",
        ),
        pytest.param(
            [(0, 1, b"a", True), (1, 1, b"", False), (2, 2, b"b", True), (3, 2, b"", False)],
            [(1, b"a"), None, (2, b"b"), None],
            id="padding between frames",
        ),
    ],
)
def test_frames_come_out_whole_and_at_once(buffer, packets, expected):
    made = [packet(number, time, data, last=last) for number, time, data, last in packets]
    assert given(buffer, *made) == expected


def test_whatever_the_order_no_frame_is_broken(buffer):
    rng = random.Random(3)
    packets, whole = [], {}
    for stamp in range(200):
        parts = [bytes([stamp, n]) for n in range(rng.randint(1, 4))]
        whole[stamp] = b"".join(parts)
        for n, part in enumerate(parts):
            packets.append(packet(len(packets), stamp, part, last=n == len(parts) - 1))
    # Neighbours change places, as on a real network.
    for n in range(1, len(packets) - 1, 3):
        packets[n], packets[n + 1] = packets[n + 1], packets[n]
    found = [frame for frame in given(buffer, *packets) if frame]
    assert all(whole[stamp] == data for stamp, data in found)
    assert [stamp for stamp, _ in found] == sorted(stamp for stamp, _ in found)
    assert len(found) >= 195


def test_sound_is_left_as_it_was():
    tune()
    sound = JitterBuffer(capacity=16, prefetch=4)
    assert given(sound, packet(0, 1, last=True), packet(1, 2, last=True)) == [None, None]


def test_one_slow_frame_delays_only_itself():
    tune()
    numbers = iter(range(12))

    async def arrive():
        return SimpleNamespace(number=next(numbers), pts=0, time_base=None)

    results, lock = deque(), threading.Lock()

    def draw(frame):
        def finish():
            time.sleep(0.06 if frame.number == 4 else 0)
            with lock:
                results.append(SimpleNamespace(number=frame.number))

        threading.Thread(target=finish).start()

    track = SimpleNamespace(
        readyState="live",
        _worker_exception_lock=threading.Lock(),
        _worker_exception=None,
        _start=lambda: None,
        track=SimpleNamespace(recv=arrive),
        _in_queue=SimpleNamespace(put=draw),
        _out_deque=results,
        _out_lock=lock,
        _last_out_frame=None,
    )

    async def play():
        shown = []
        for _ in range(12):
            shown.append((await AsyncVideoProcessTrack.recv(track)).number)
            await asyncio.sleep(0.08)
        return shown

    assert asyncio.run(play()) == [0, 1, 2, 3, 3, 5, 6, 7, 8, 9, 10, 11]
