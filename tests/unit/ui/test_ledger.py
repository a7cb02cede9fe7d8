"""How much memory sessions may take, and that they let go of it when they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from allcell.environment.memory import memory_bytes
from allcell.errors import ImageError
from allcell.imaging.images import encode_png
from allcell.ui.field import pictures
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Picture, PictureMemory
from allcell.ui.sessions import budget, uploads
from allcell.ui.sessions.ledger import Held, Ledger


@dataclass(eq=False)
class Kept:
    """A holder of some files, and of some that can be made again."""

    files: list[Held] = field(default_factory=list)
    spared: list[Held] = field(default_factory=list)
    closed: bool = False

    def holds(self) -> list[Held]:
        return [*self.files, *self.spared]

    def spare(self) -> None:
        self.spared.clear()

    def close(self) -> None:
        self.files.clear()
        self.spared.clear()
        self.closed = True


SAME = bytes(40)
#: What a session holds of files and of what can be made again, and what another one does.
FITS = [
    pytest.param([bytes(40)], [], [], 60, True, id="just within a session"),
    pytest.param([bytes(40)], [], [], 61, False, id="one byte too many for a session"),
    pytest.param([bytes(40)], [bytes(30)], [], 60, True, id="what can be made again gives way"),
    pytest.param([SAME, SAME], [], [], 60, True, id="the same bytes count once"),
    pytest.param([], [], [bytes(90)], 60, True, id="just within the server"),
    pytest.param([], [], [bytes(91)], 60, False, id="another session leaves too little"),
    pytest.param([np.zeros((5, 4, 2), np.uint8)], [], [], 60, True, id="pixels"),
]


@pytest.mark.parametrize(("files", "again", "others", "wanted", "fits"), FITS)
def test_what_fits(
    files: list[Held], again: list[Held], others: list[Held], wanted: int, fits: bool
) -> None:
    ledger, mine, other = Ledger(100, 150), Kept(list(files), list(again)), Kept(list(others))
    ledger.join("me", mine)
    ledger.join("other", other)
    if fits:
        with ledger.room("me", wanted, "'a.png'"):
            assert ledger.server_bytes() <= 150
        return
    with (
        pytest.raises(ImageError, match=r"'a\.png' was not taken"),
        ledger.room("me", wanted, "'a.png'"),
    ):
        pass


def test_what_is_being_made_counts_already() -> None:
    ledger = Ledger(100, 100)
    with (
        ledger.room("me", 60, "a"),
        pytest.raises(ImageError, match="was not taken"),
        ledger.room("other", 60, "b"),
    ):
        pass
    assert ledger.server_bytes() == 0


def test_sessions_whose_tab_is_closed_end_before_anybody_loses_a_picture() -> None:
    ledger = Ledger(100, 150)
    gone, mine = Kept([bytes(90)]), Kept([bytes(30)], [bytes(20)])
    ledger.join("gone", gone)
    ledger.join("me", mine)

    def end() -> bool:
        if gone.closed:
            return False
        ledger.leave("gone")
        return True

    ledger.make_room = end
    with ledger.room("me", 40, "a"):
        assert gone.closed
        assert mine.spared, "there was room without it"


def test_the_end_of_the_server_closes_all() -> None:
    ledger, both = Ledger(10, 10), [Kept([bytes(1)]), Kept([bytes(1)])]
    for n, holder in enumerate(both):
        ledger.join(f"{n}", holder)
    ledger.leave_all()
    assert all(holder.closed for holder in both)
    assert ledger.server_bytes() == 0


def test_a_holder_that_is_gone_does_not_count() -> None:
    ledger, holder = Ledger(10, 10), Kept([bytes(9)])
    ledger.join("me", holder)
    del holder
    assert ledger.session_bytes("me") == 0


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    made = Ledger(500_000, 500_000)
    monkeypatch.setattr(budget, "ledger", lambda: made)
    return made


def picture(name: str = "a.png", side_px: int = 300) -> Picture:
    return Picture.of(name, encode_png(np.full((side_px, side_px, 3), 200, np.uint8)))


def test_pixels_are_counted_and_a_picture_for_which_there_is_no_room_is_named(
    small: Ledger,
) -> None:
    memory = PictureMemory()
    small.join(budget.session_id(), memory)
    memory.image(picture())
    assert small.session_bytes(budget.session_id()) == 270_000
    other = Kept([bytes(400_000)])
    small.join("other", other)
    with pytest.raises(ImageError, match=r"'b\.png' was not taken: all who use this server"):
        memory.image(picture("b.png", 301))


@pytest.mark.parametrize("what", ["files", "pixels"])
def test_an_ended_session_lets_go_without_the_collector(small: Ledger, what: str) -> None:
    memory = PictureMemory()
    bench = Bench(memory)
    for holder in (memory, bench):
        small.join("me", holder)
    bench.add(picture())
    memory.image(next(iter(bench.pictures.values())))
    # A cycle, as those of Streamlit's sessions: its memory is freed by the collector only.
    bench.cycle = [bench]  # type: ignore[attr-defined]
    small.leave("me")
    assert small.server_bytes() == 0
    assert not list(bench.holds() if what == "files" else memory.holds())


def test_the_file_of_an_upload_is_not_refused_because_it_is_there_already(small: Ledger) -> None:
    data = bytes(200_000)
    store = Kept([data])
    small.join(budget.session_id(), store)
    small.max_session_bytes = 200_001
    Bench(pictures.PictureMemory()).add(Picture.of("a.png", data))
    with pytest.raises(ImageError, match="was not taken"):
        Bench(PictureMemory()).add(Picture.of("a.png", bytes(100_000)))


class File(NamedTuple):
    """As Streamlit keeps an upload."""

    file_id: str
    name: str
    data: bytes


class Uploads:
    """As Streamlit's store of them."""

    def __init__(self) -> None:
        self.file_storage: dict[str, dict[str, File]] = {}

    def add_file(self, session_id: str, file: File) -> None:
        self.file_storage.setdefault(session_id, {})[file.file_id] = file

    def remove_session_files(self, session_id: str) -> None:
        self.file_storage.pop(session_id, None)


def test_a_file_without_room_is_dropped_as_it_arrives(
    small: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "decoding_bytes", lambda: 100_000)
    monkeypatch.setattr(uploads.runtime, "exists", lambda: True)
    store = Uploads()
    server = SimpleNamespace(uploaded_file_mgr=store)
    monkeypatch.setattr(uploads.runtime, "get_instance", lambda: server)
    uploads.guard()
    me = budget.session_id()
    for n in range(3):
        store.add_file(session_id=me, file=File(f"{n}", f"{n}.bmp", bytes(200_000)))
    sizes = [len(file.data) for file in store.file_storage[me].values()]
    assert sizes == [200_000, 200_000, 0]
    assert small.session_bytes(me) == 400_000
    given = SimpleNamespace(file_id="2", name="2.bmp", getvalue=lambda: b"")
    with pytest.raises(ImageError, match=r"'2\.bmp' was not taken"):
        uploads.content(given)  # type: ignore[arg-type]
    # The error's traceback would keep the file.
    assert uploads._REFUSED[me]["2"].__traceback__ is None
    small.leave(me)
    uploads.forget(me)
    assert not store.file_storage
    assert uploads.content(given) == b""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "taken"),
    [
        pytest.param("1048576", True, id="a container's limit"),
        pytest.param("max", False, id="no limit, cgroup 2"),
        pytest.param("9223372036854771712", False, id="no limit, cgroup 1"),
        pytest.param("0", False, id="nonsense"),
    ],
)
def test_memory_is_that_of_the_container(tmp_path: Path, limit: str, taken: bool) -> None:
    file = tmp_path / "memory.max"
    file.write_text(limit)
    assert (memory_bytes([file]) == 1_048_576) is taken
    assert memory_bytes([tmp_path / "nothing"]) > 2**28
