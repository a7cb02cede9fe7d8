"""A disk that is really full during a teaching: it is said, nothing is lost, and it goes on."""

import contextlib
import shutil
import subprocess
import time

import pytest

from allcell.own.shelf import shelf
from allcell.settings import settings
from allcell.teaching.work import begin
from tests.teaching_fields import rendered_lesson
from tests.unit.teaching.test_teaching_run import REQUEST, ended

pytestmark = pytest.mark.child


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A disk of 110 MB, in memory; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=110m", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here; test_child.py has the same with a stub")
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(place))
    settings.cache_clear()
    yield place
    subprocess.run(["umount", str(place)], check=True)
    settings.cache_clear()


def fill(place):
    """Take the room to the last byte."""
    with (place / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(2**16))


def test_a_full_disk_is_said_and_with_room_again_it_goes_on(small_disk):
    teaching = begin(rendered_lesson(6), REQUEST)
    teaching.start()
    while not (teaching.folder / "part-parent.json").exists():
        assert teaching.state.running, teaching.state
        time.sleep(0.05)
    fill(small_disk)
    failed = ended(teaching)
    assert failed.status == "failed", failed
    assert "is full" in failed.message
    assert failed.remedy.startswith("Make room on it, and start it again")
    assert len(list((teaching.folder / "fields").iterdir())) == 6
    assert shelf().models() == ()
    (small_disk / "filler").unlink()
    teaching.start()
    done = ended(teaching)
    assert done.status == "done", done
    assert shelf().get(done.model).onnx().is_file()
