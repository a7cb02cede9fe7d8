"""Many pictures in one command: nothing is lost, overwritten or passed over without a word."""

from __future__ import annotations

import csv
import errno
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import allcell
from allcell.__main__ import app, main
from allcell.cli import base
from allcell.detector import Detector
from allcell.environment.files import write_whole
from allcell.imaging import images
from allcell.imaging.images import encode_png
from allcell.models.registry import get_spec
from allcell.settings import Settings, settings
from allcell.synth import random_spec, render

SMEAR = encode_png(render(random_spec(1, 640, 480, 30)).image)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def smears(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(SMEAR)
    return folder


def test_two_images_of_one_name_keep_their_folders(tmp_path):
    smears(tmp_path, "ward-1/a.png", "ward-2/a.png", "ward-2/b.png")
    done = run("detect", tmp_path, "--csv", "--annotated", tmp_path / "out")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(dict.fromkeys(row["image"] for row in rows)) == [
        *("ward-1/a.png", "ward-2/a.png", "b.png")
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("b-annotated.png", "ward-1-a-annotated.png", "ward-2-a-annotated.png")
    ]


def test_a_second_command_overwrites_no_other_image(tmp_path):
    smears(tmp_path, "ward-1/a.png", "ward-2/a.png")
    out = tmp_path / "out"
    for ward in ("ward-1", "ward-2", "ward-1"):
        assert run("detect", tmp_path / ward, "--annotated", out).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["a-2-annotated.png", "a-annotated.png"]
    (out / "a-annotated.png").write_bytes(SMEAR)
    run("detect", tmp_path / "ward-1", "--annotated", out)
    assert (out / "a-annotated.png").read_bytes() == SMEAR, "the user's own file"
    assert images.decode(out / "a-3-annotated.png").shape[1] == 640, "the mark does no harm"


def test_annotated_pictures_are_not_analysed_again(tmp_path):
    smears(tmp_path, "a.png")
    for _ in range(2):
        done = run("detect", tmp_path, "--annotated", tmp_path)
        assert len(done.stdout.splitlines()) == 1
    assert "1 file in folders passed over, as allcell made them" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-annotated.png", "a.png"]


def test_what_is_not_read_is_counted(tmp_path):
    smears(tmp_path, "a.png", "slide.svs", "anim.gif")
    done = run("detect", tmp_path)
    assert done.exit_code == 0
    assert "2 files in folders passed over" in done.stderr
    none = run("detect", smears(tmp_path / "none", "slide.svs"))
    assert none.exit_code == 1
    assert "1 .svs" in none.stderr


def test_a_name_of_250_letters_gets_a_shorter_picture(tmp_path):
    smears(tmp_path, f"{'x' * 248}.png", "b.png")
    done = run("detect", tmp_path, "--csv", "--annotated", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_full_disk_leaves_no_half_picture_and_loses_no_row(tmp_path, monkeypatch):
    smears(tmp_path, "a.png", "b.png")
    real = os.replace

    def full(source, target):
        if Path(target).name == "a-annotated.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    done = run("detect", tmp_path, "--csv", "--annotated", tmp_path / "out")
    assert done.exit_code == 1
    assert {row["image"] for row in csv.DictReader(io.StringIO(done.stdout))} == {"a.png", "b.png"}
    assert "a.png: its annotated picture cannot be written: No space left on device" in done.stderr
    assert "Errno" not in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b-annotated.png"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a.png"
    write_whole(target, b"first")
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "gone" / "a.png", b"second")
    assert caught.value.filename == str(tmp_path / "gone" / "a.png")
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, b"second")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert target.read_bytes() == b"first"


def test_rows_come_as_they_are_done(tmp_path, monkeypatch):
    smears(tmp_path, "a.png", "b.png", "c.png")
    real = images.decode

    def stopped(path, **how):
        if path.name == "c.png":
            raise KeyboardInterrupt
        return real(path, **how)

    monkeypatch.setattr(images, "decode", stopped)
    done = run("detect", tmp_path, "--csv")
    assert done.exit_code == base.STOPPED
    assert {row["image"] for row in csv.DictReader(io.StringIO(done.stdout))} == {"a.png", "b.png"}
    assert "stopped: 2 of 3 images are done." in done.stderr


def test_an_image_without_cells_says_0(tmp_path):
    field = render(random_spec(1, 640, 480, 30)).image
    (tmp_path / "a.png").write_bytes(encode_png(field))
    done = run("detect", tmp_path, "--csv", "--conf", "1")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["image"], row["cell"]) == ("a.png", "0")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        pytest.param("MAX_PIXELS", "abc", "ALLCELL_MAX_PIXELS is 'abc'", id="no number"),
        pytest.param("MAX_IMAGES", "0", "greater than 0", id="out of range"),
        pytest.param("CAMERAS", "0,1", "ALLCELL_CAMERAS", id="no list"),
    ],
)
@pytest.mark.parametrize("command", [["models"], ["detect", "x.png"]], ids=lambda c: c[0])
def test_a_setting_that_cannot_be_is_named(monkeypatch, command, name, value, says):
    monkeypatch.setenv(f"ALLCELL_{name}", value)
    settings.cache_clear()
    try:
        done = run(*command)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert done.exit_code == 1
    assert says in done.stderr
    assert "pydantic" not in done.output
    assert len(done.stderr.splitlines()) == 1


def test_a_user_without_a_home_has_a_cache(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for an unknown user
    assert Settings().cache_dir == Path(tempfile.gettempdir(), ".cache", "allcell")


def test_the_version_is_told():
    done = run("--version")
    assert (done.exit_code, done.stdout) == (0, f"allcell {allcell.__version__}\n")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_output_is_utf8_whatever_the_code_page(tmp_path, monkeypatch, encoding):
    smears(tmp_path, "Färbung-名.png")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(sys, "argv", ["allcell", "detect", str(tmp_path), "--csv"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    for stream in (out, err):
        stream.flush()
    assert "Färbung-名.png" in out.buffer.getvalue().decode()
    assert "For Research Use Only" in err.buffer.getvalue().decode()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        pytest.param(PermissionError(13, "Permission denied", "/d/a"), "/d/a: Permission denied."),
        pytest.param(OSError(28, "No space left on device"), "No space left on device."),
        pytest.param(OSError("odd"), "odd"),
    ],
    ids=["of a file", "of none", "without a number"],
)
def test_errors_of_the_system_have_no_numbers(error, says):
    assert base.in_words(error) == says


COMMAND = [sys.executable, "-m", "allcell", "detect"]


@pytest.mark.child
def test_a_closed_pipe_ends_the_command_quietly(tmp_path):
    smears(tmp_path, *(f"{n}.png" for n in range(4)))
    child = subprocess.Popen([*COMMAND, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.readline()
    child.stdout.close()
    said = child.stderr.read().decode()
    assert child.wait(60) == base.UNREAD
    assert "rror" not in said
    assert "Traceback" not in said


@pytest.mark.child
def test_ctrl_c_keeps_the_rows_in_the_file(tmp_path):
    smears(tmp_path, *(f"{n:02d}.png" for n in range(60)))
    target = tmp_path / "cells.csv"
    with target.open("wb") as file:
        child = subprocess.Popen(
            [*COMMAND, tmp_path, "--csv"],
            stdout=file,
            stderr=subprocess.PIPE,
            # What a shell runs in the background, and so these tests if it runs them, ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while target.stat().st_size < 1000 and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        said = child.stderr.read().decode()
        assert child.wait(60) == base.STOPPED
    content = target.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "Excel would take it for the local code page"
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows[0]["image"] == "00.png"
    assert "of 60 images are done." in said
    assert "Traceback" not in said


@pytest.mark.child
def test_a_pipe_gets_no_mark(tmp_path):
    smears(tmp_path, "a.png")
    done = subprocess.run([*COMMAND, tmp_path, "--csv"], capture_output=True, check=True)
    assert done.stdout.startswith(b"image,model,cell,")


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize("form", [(), ("--csv",)], ids=["text", "csv"])
def test_a_result_that_a_closed_output_swallows_is_an_error(tmp_path, form):
    smears(tmp_path, "a.png")
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *map(str, COMMAND), str(tmp_path), *form]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "error: Standard output is closed" in done.stderr
    assert "Traceback" not in done.stderr


def test_black_pictures_are_called_dark(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_png(np.full((480, 640, 3), 3, np.uint8)))
    assert "dark" in run("detect", tmp_path).stderr


class FullCard:
    """A card that notices at its first batch that it holds fewer pictures than it was given."""

    description = "CUDA"

    def batch_size(self, fit):
        return 8

    def run_batch(self, pictures, fit, floor, iou=None):
        self.description = "CUDA · its memory holds 4 pictures at once"
        return [np.zeros((7, 1), np.float32) for _ in pictures]

    def run(self, image):
        return np.zeros((7, 1), np.float32)

    def interrupt(self):
        return False


def test_that_a_card_was_too_small_for_a_batch_is_said(tmp_path, monkeypatch):
    card = Detector(get_spec("live"), FullCard())
    monkeypatch.setattr(Detector, "open", lambda *_, **__: card)
    done = run("detect", smears(tmp_path, "a.png", "b.png"))
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2
    assert "note: CUDA · its memory holds 4 pictures at once" in done.stderr


@pytest.mark.parametrize("size", ["inf", "nan", "0", "-3", "1e300"])
def test_a_red_cell_size_that_cannot_be_is_refused(tmp_path, size):
    done = run("detect", smears(tmp_path, "a.png"), f"--red-cell-px={size}")
    assert done.exit_code == 2
    assert "from 1 to 10,000" in " ".join(done.stderr.replace("│", " ").split())


def test_an_empty_path_is_not_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(smears(tmp_path, "a.png"))
    done = run("detect", "")
    assert done.exit_code == 2
    assert "is empty; give a name" in done.stderr
    assert run("detect", "a.png", "--annotated", "").exit_code == 2


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("a.png", "is a file", id="file"),
        pytest.param("a.png/below", "cannot be made: Not a directory", id="below a file"),
        pytest.param("x" * 300, "cannot be made: File name too long", id="long"),
    ],
)
def test_annotated_pictures_without_a_folder_say_what_to_do(tmp_path, name, says):
    done = run("detect", smears(tmp_path, "a.png"), "--annotated", tmp_path / name)
    assert done.exit_code == 1
    assert says in done.stderr
    assert "Give --annotated a folder" in done.stderr
