"""The folder of compiled models: whatever happened to it, the next start works."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from allcell.engines import compiled
from allcell.engines.compiled import compiled_graph
from allcell.environment.leftovers import remove_leftovers, temporary_folder
from allcell.errors import ModelError

ROOT = Path(__file__).resolve().parents[3]
GRAPH = b"a whole graph" * 1000
#: A process that compiles slowly, in two halves.
SLOWLY = """
import sys, time
from pathlib import Path
from allcell.engines.compiled import compiled_graph
def compile_into(path):
    with path.open("wb") as file:
        file.write(GRAPH[:7000]); file.flush()
        print("half", flush=True)
        time.sleep(float(sys.argv[2]))
        file.write(GRAPH[7000:])
GRAPH = b"a whole graph" * 1000
found = compiled_graph(Path(sys.argv[1]), compile_into)
assert Path(found).read_bytes() == GRAPH
"""


def write(path: Path) -> None:
    path.write_bytes(GRAPH)


def never(path: Path) -> None:
    raise AssertionError("it was compiled again")


def content(found: Path | bytes) -> bytes:
    return found if isinstance(found, bytes) else found.read_bytes()


def truncated(target: Path) -> None:
    target.write_bytes(GRAPH[:100])


def without_hash(target: Path) -> None:
    target.with_name(f"{target.name}.sha256").unlink()


def of_another(target: Path) -> None:
    target.write_bytes(b"another graph")


def nonsense(target: Path) -> None:
    target.with_name(f"{target.name}.sha256").write_bytes(b"\xff\xfe")


def empty(target: Path) -> None:
    target.write_bytes(b"")


def gone(target: Path) -> None:
    shutil.rmtree(target.parent)


@pytest.mark.parametrize("harm", [truncated, without_hash, of_another, nonsense, empty, gone])
def test_a_graph_that_is_not_whole_is_compiled_again(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    target = tmp_path / "onnx" / "model.onnx"
    compiled_graph(target, write)
    harm(target)
    assert content(compiled_graph(target, write)) == GRAPH
    assert content(compiled_graph(target, never)) == GRAPH


def read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    # Root may write anywhere, but not into this.
    return Path("/proc/allcell/onnx/model.onnx")


def a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "onnx").write_text("in the way")
    return tmp_path / "onnx" / "model.onnx"


def full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(compiled.os, "replace", no_room)
    return tmp_path / "onnx" / "model.onnx"


@pytest.mark.parametrize("hindrance", [read_only, a_file, full])
def test_a_folder_that_takes_nothing_is_told_and_the_model_runs(
    hindrance: Callable[[pytest.MonkeyPatch, Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = hindrance(monkeypatch, tmp_path)
    assert content(compiled_graph(target, write)) == GRAPH
    assert "ALLCELL_CACHE_DIR" in caplog.text
    assert not target.exists()


def test_no_room_anywhere_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    def no_room(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ModelError, match="ALLCELL_CACHE_DIR"):
        compiled_graph(tmp_path / "model.onnx", no_room)


def test_what_a_killed_process_left_is_removed_later(tmp_path: Path) -> None:
    old, young = tmp_path / "compiling-old", tmp_path / "compiling-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "raw.onnx").write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    compiled_graph(tmp_path / "model.onnx", write)
    assert not old.exists()
    assert young.exists(), "another process may be at work"


def slowly(target: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOWLY, str(target), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.child
def test_two_processes_compile_at_once(tmp_path: Path) -> None:
    target = tmp_path / "onnx" / "model.onnx"
    both = [slowly(target, 0.5), slowly(target, 0.5)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert content(compiled_graph(target, never)) == GRAPH
    assert not list(target.parent.glob("compiling-*"))


@pytest.mark.child
def test_killed_while_it_compiles(tmp_path: Path) -> None:
    target = tmp_path / "onnx" / "model.onnx"
    process = slowly(target, 60)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert content(compiled_graph(target, write)) == GRAPH


@pytest.mark.child
def test_videos_of_a_killed_process_are_removed_at_the_next_start(tmp_path: Path) -> None:
    code = (
        "from allcell.environment.leftovers import temporary_folder; import time, pathlib\n"
        "kept = [temporary_folder('recording'), temporary_folder('video')]\n"
        "[pathlib.Path(k.name, 'video').write_bytes(b'cells') for k in kept]\n"
        "print('made', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert remove_leftovers(tmp_path) == 0, "it still runs"
    process.kill()
    process.wait(10)
    somebody_elses = tmp_path / "allcell-notes"
    somebody_elses.mkdir()
    assert remove_leftovers(tmp_path) == 2
    assert list(tmp_path.iterdir()) == [somebody_elses]


def test_a_folder_of_this_process_goes_with_its_object() -> None:
    folder = temporary_folder("video")
    path = Path(folder.name)
    assert path.is_dir()
    folder.cleanup()
    assert not path.exists()
