"""Six teachings one after the other: memory, disk and processes return, and no picture stays.

By the quick way: the full one has the same folder and process, and takes minutes where others work.
"""

import gc
import os
import tempfile
import time
from dataclasses import replace

import pytest

from allcell.own.shelf import shelf
from allcell.settings import settings
from allcell.teaching.work import begin, teachings
from tests.live_loop import Held
from tests.teaching_fields import rendered_lesson
from tests.unit.teaching.test_teaching_run import REQUEST, ended

pytestmark = pytest.mark.child

#: Of this process, which stands for the server: what may come on top after the first one.
MOST_MB, MOST_THREADS, MOST_FILES = 12, 0, 0
LONGEST_END_S = 30
#: How pictures begin.
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"II*\x00", b"BM")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """All that a teaching could write to: data, cache, temporary files."""
    for name, place in (("DATA_DIR", "data"), ("CACHE_DIR", "cache")):
        monkeypatch.setenv(f"ALLCELL_{name}", str(tmp_path / place))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def files(folder):
    """Every file, and its size in bytes."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def children():
    """Processes that this one or a teaching of it started, dead ones that nobody waited for too."""
    found = []
    for place in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{place}/stat") as stat, open(f"/proc/{place}/cmdline") as line:
                parent, command = int(stat.read().rsplit(")", 1)[1].split()[1]), line.read()
        except (OSError, ValueError):
            continue
        if parent == os.getpid() and "resource_tracker" not in command:
            found.append(command.replace("\0", " ") or "a zombie")
    return found


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="counts processes in /proc")
def test_six_in_a_row_give_back_what_they_take(folder):
    before, seen = children(), []
    for number in range(6):
        request = replace(REQUEST, name=f"Laboratory {number}", seed=number, quick=True)
        teaching = begin(rendered_lesson(6), request)
        held = files(folder)
        assert sum("fields/" in name for name in held) == 6, "copies are made while it is taught"
        teaching.start()
        done = ended(teaching)
        assert done.status == "done", done
        assert shelf().get(done.model).onnx().is_file()
        kept = files(folder)
        pictures = [
            name
            for name in kept
            if (folder / name).read_bytes()[:4].startswith(PICTURES)
            or "field" in name
            or "rendered" in name
        ]
        assert not pictures, "no picture stays when it is done"
        teaching.delete()
        shelf().delete(done.model)
        # It has said that it is done; that its process ends takes a moment more.
        patience = time.monotonic() + LONGEST_END_S
        while children() != before and time.monotonic() < patience:
            time.sleep(0.1)
        gc.collect()
        seen.append((Held.now(), files(folder), children()))
    assert not teachings()
    (first, disk, _), (last, disk_then, processes) = seen[0], seen[-1]
    assert disk_then.keys() == disk.keys(), "no file is left by one that the first did not leave"
    assert sum(disk_then.values()) <= sum(disk.values())
    assert not [name for name in disk_then if name.startswith("temporary/")]
    assert processes == before
    assert last.threads <= first.threads + MOST_THREADS
    assert last.files <= first.files + MOST_FILES
    assert last.memory_mb <= first.memory_mb + MOST_MB, [one.memory_mb for one, _, _ in seen]
