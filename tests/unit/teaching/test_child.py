"""What the process of a teaching says of each end, in this process and without torch."""

import errno
import os
import sys
import threading
import time
from dataclasses import replace
from types import ModuleType

import pytest

from allcell.background import child as background
from allcell.background.locks import RESERVE_FILE, keep_reserve, locked
from allcell.background.progress import Progress, StopWork
from allcell.background.state import ALIVE_FILE, STOP_FILE, read_state
from allcell.errors import TeachingError
from allcell.teaching import child
from allcell.teaching.child import teach
from allcell.teaching.state import DISCARD_FILE, State
from allcell.teaching.work import REQUEST_FILE, Teaching, machine_lock, teachings


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "0123"
    made.mkdir()
    State().write(made)
    return made


def with_work(monkeypatch, work):
    module = ModuleType("allcell.teaching.run")
    module.run = lambda folder, progress, *, only_plan: work(folder, progress)
    monkeypatch.setitem(sys.modules, "allcell.teaching.run", module)


@pytest.mark.parametrize(
    ("error", "status", "message", "remedy"),
    [
        (StopWork(), "stopped", "", ""),
        (TeachingError("Too few.", "Add more."), "failed", "Too few.", "Add more."),
        (MemoryError(), "failed", "The memory of this computer", "goes on where it was"),
        (OSError(errno.ENOSPC, "full"), "failed", "is full", "Make room on it, and start it again"),
        (OSError(errno.EACCES, "Permission denied"), "failed", "Permission denied", "Start it"),
        (ZeroDivisionError(), "failed", "failed (ZeroDivisionError)", "report it"),
    ],
    ids=["stopped", "an error of ours", "no memory", "disk full", "no right", "a fault"],
)
def test_each_end_is_said_in_words(folder, monkeypatch, error, status, message, remedy):
    def work(folder, progress):
        progress.begin("Works")
        raise error

    with_work(monkeypatch, work)
    teach(folder, only_plan=False)
    state = read_state(folder, State)
    assert state.status == status
    assert message in state.message
    assert remedy in state.remedy
    assert state.stage == ""
    # The room that was kept to say so is given back, or is there for the next time.
    assert (folder / RESERVE_FILE).exists() == ("full" not in message)


def test_a_disk_that_is_full_to_the_last_byte_is_said_with_the_room_that_was_kept(
    folder, monkeypatch
):
    keep_reserve(folder)
    write = State.write

    def full(self, place):
        if (place / RESERVE_FILE).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, place)

    def work(folder, progress):
        monkeypatch.setattr(State, "write", full)
        progress.begin("Works")

    with_work(monkeypatch, work)
    teach(folder, only_plan=False)
    assert "is full" in read_state(folder, State).message


def test_one_works_at_a_time_and_the_other_says_that_it_waits(folder, monkeypatch):
    done = []
    with_work(monkeypatch, lambda folder, progress: done.append(folder))
    monkeypatch.setattr(background, "_ASKS_EVERY_S", 0.01)
    with locked(machine_lock(folder)) as mine:
        assert mine
        thread = threading.Thread(target=teach, args=(folder,), kwargs={"only_plan": False})
        thread.start()
        while read_state(folder, State).status != "waiting":
            thread.join(0.01)
        assert "another teaching" in read_state(folder, State).stage
        assert not done
    thread.join(10)
    assert done == [folder]


def test_one_that_waits_can_be_stopped(folder, monkeypatch):
    with_work(monkeypatch, lambda *_: pytest.fail("it had no turn"))
    with locked(machine_lock(folder)):
        (folder / STOP_FILE).touch()
        teach(folder, only_plan=False)
    assert read_state(folder, State).status == "stopped"


def test_one_whose_process_is_gone_is_interrupted(folder):
    State(status="working", stage="Trains", progress=0.4).write(folder)
    assert Teaching(folder).state.status == "interrupted"
    assert Teaching(folder).state.progress == 0.4
    with locked(folder / "alive.lock"):
        assert Teaching(folder).state.status == "working"
        with pytest.raises(TeachingError, match="still working"):
            Teaching(folder).delete()
    Teaching(folder).delete()
    assert not folder.exists()
    with pytest.raises(TeachingError, match="no teaching"):
        _ = Teaching(folder).state


def test_what_is_discarded_while_it_works_is_gone_when_it_stops(folder, monkeypatch):
    (folder / REQUEST_FILE).write_text("{}", encoding="utf-8")
    (folder / "fields").mkdir()
    (folder / "fields" / "field-0001").write_bytes(b"a picture")

    def work(folder, progress):
        Teaching(folder).discard()
        assert folder.is_dir(), "its process still works"
        assert teachings(folder.parent) == (), "it is in no list any more"
        progress.check()

    with_work(monkeypatch, work)
    monkeypatch.setattr(sys, "argv", ["child", str(folder)])
    monkeypatch.setattr(background.os, "nice", lambda by: None)
    monkeypatch.setattr(background.signal, "signal", lambda *_: None)
    child.main()
    assert [path.name for path in folder.parent.iterdir()] == ["turn.lock"]


def test_what_is_discarded_while_nobody_works_is_gone_at_once(folder):
    Teaching(folder).discard()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "age_s", "stays"),
    [
        pytest.param(".gone-ab", 0, False, id="half deleted"),
        pytest.param(".new-ab", 7200, False, id="half made, by a server that was killed"),
        pytest.param(".new-ab", 60, True, id="being made"),
        pytest.param("0a", 7200, True, id="a teaching"),
    ],
)
def test_copies_that_a_killed_process_left_go_when_the_list_is_read(tmp_path, name, age_s, stays):
    left = tmp_path / name
    left.mkdir()
    (left / "field-0001").write_bytes(b"a picture")
    then = time.time() - age_s
    os.utime(left, (then, then))
    teachings(tmp_path)
    assert left.exists() == stays


def test_one_that_was_discarded_and_killed_goes_when_the_list_is_read(folder):
    (folder / REQUEST_FILE).write_text("{}", encoding="utf-8")
    (folder / DISCARD_FILE).touch()
    with locked(folder / ALIVE_FILE):
        assert teachings(folder.parent) == ()
        assert folder.is_dir()
    assert teachings(folder.parent) == ()
    assert not folder.exists()


def test_progress_never_falls_and_the_time_left_follows_the_pace(folder, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("allcell.background.progress.time.monotonic", lambda: now[0])
    progress = Progress(folder, State(), folder / STOP_FILE)
    progress.expect(100)
    progress.begin("One", 40)
    now[0] += 40  # half done, twice as slow as expected
    progress.step(1, 2)
    assert progress.state.progress == pytest.approx(0.2)
    assert progress.state.left_s == pytest.approx(160)
    now[0] += 40
    progress.end()
    # What was done before the process was started again takes no time.
    progress.begin("Two", 40)
    progress.end(skipped=True)
    assert progress.state.progress == pytest.approx(0.8)
    assert progress.state.left_s == pytest.approx(40)
    again = Progress(folder, replace(progress.state), folder / STOP_FILE)
    again.expect(100)
    again.begin("One", 40)
    now[0] += 1
    again.step(1, 40)
    assert again.state.progress == pytest.approx(0.8)
