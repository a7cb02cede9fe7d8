"""A disk that is really full, before and during a teaching: it is said, and nothing is lost."""

import shutil
import subprocess

import pytest

from allcell.background.locks import RESERVE_FILE
from allcell.background.state import read_state
from allcell.errors import TeachingError
from allcell.teaching import work
from allcell.teaching.child import teach
from allcell.teaching.state import State
from allcell.teaching.work import Request, begin
from tests.teaching_fields import rendered_lesson
from tests.unit.teaching.test_child import with_work

pytestmark = pytest.mark.child


@pytest.fixture
def disk(tmp_path):
    """A disk of 100 MB, in memory; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here; test_child.py has the same with a stub")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place):
    """Take the room to the last byte; the error is that of the disk."""
    with (place / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))


def test_a_full_disk_is_said_and_with_room_again_it_goes_on(disk, monkeypatch):
    monkeypatch.setattr(work, "require_torch", lambda what: None)
    teaching = begin(rendered_lesson(6), Request("Here"), disk)

    def filled(folder, progress):
        progress.begin("Trains")
        fill(disk)

    with_work(monkeypatch, filled)
    teach(teaching.folder, only_plan=False)
    state = read_state(teaching.folder, State)
    assert state.status == "failed"
    assert state.message == f"The disk of {disk} is full."
    assert state.remedy.startswith("Make room on it, and start it again")
    assert not (teaching.folder / RESERVE_FILE).exists()
    assert len(list((teaching.folder / "fields").iterdir())) == 6
    assert teaching.request.name == "Here"

    (disk / "filler").unlink()
    with_work(monkeypatch, lambda folder, _: State("done").write(folder))
    teach(teaching.folder, only_plan=False)
    assert read_state(teaching.folder, State).status == "done"
    teaching.delete()
    assert list(disk.iterdir()) == [disk / "turn.lock"]


def test_too_little_room_is_said_before_a_picture_is_copied(disk):
    (disk / "filler").write_bytes(bytes(30 * 2**20))
    with pytest.raises(TeachingError, match=r"has 70 MB left; a teaching takes up to 80 MB"):
        begin(rendered_lesson(6), Request("Here"), disk)
    assert list(disk.iterdir()) == [disk / "filler"]
