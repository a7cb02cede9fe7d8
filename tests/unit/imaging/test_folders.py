"""Folders: which files are pictures, and what is said of the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from allcell.imaging.folders import find_pictures


def made(folder: Path, *names: str, content: bytes = b"") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_find_pictures(tmp_path: Path) -> None:
    made(
        tmp_path,
        *("b.JPG", "a.png", "notes.txt", ".hidden.png", "sub/c.tiff", "sub/deep/d.dcm"),
        *(".git/e.png", "single.dat", "phone.HEIC"),
    )
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    single = tmp_path / "single.dat"
    found = find_pictures([single, tmp_path, tmp_path / "a.png"])
    relative = [p.relative_to(tmp_path).as_posix() for p in found.files]
    assert relative == [
        *("single.dat", "a.png", "b.JPG", "phone.HEIC", "sub/c.tiff", "sub/deep/d.dcm")
    ]
    assert not found.failed
    hidden = tmp_path / ".hidden.png"
    assert find_pictures([hidden]).files == [hidden]
    assert find_pictures([]).files == []


def test_what_is_missing_does_not_hide_the_others(tmp_path: Path) -> None:
    made(tmp_path, "a.png")
    found = find_pictures([tmp_path / "gone", Path("a\0b"), tmp_path])
    assert [path.name for path in found.files] == ["a.png"]
    gone, impossible = (str(error) for _, error in found.failed)
    assert f"There is no file or folder {tmp_path / 'gone'}" in gone
    assert "cannot be read" in impossible


def test_a_folder_that_cannot_be_read_is_named_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "a.png", "locked/b.png")
    real = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "locked":  # root may read everything: permissions would not do
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_pictures([tmp_path])
    assert [path.name for path in found.files] == ["a.png"]
    ((path, error),) = found.failed
    assert path == tmp_path / "locked"
    assert str(error).startswith(f"{tmp_path / 'locked'} cannot be read: Permission denied.")


def test_dicom_is_found_whatever_its_name(tmp_path: Path) -> None:
    made(tmp_path, "IM000001", "1.2.840.10008", content=bytes(128) + b"DICM" + bytes(100))
    made(tmp_path, "README")
    assert [path.name for path in find_pictures([tmp_path]).files] == ["1.2.840.10008", "IM000001"]


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    made(tmp_path, "a.gif", "b.GIF", "slide.svs", "README", "Thumbs.db", "a-annotated.png", "c.png")
    found = find_pictures([tmp_path])
    assert [path.name for path in found.files] == ["c.png"]
    others, own = found.passed_over()
    assert others == (
        "4 files in folders passed over, as allcell does not read them: 2 .gif, 1 .svs and "
        "1 without an ending."
    )
    assert own.startswith("1 file in folders passed over, as allcell made them")
    named = find_pictures([tmp_path / "a-annotated.png"])
    assert len(named.files) == 1
    assert named.passed_over() == []


def test_many_kinds_are_summed_up(tmp_path: Path) -> None:
    made(tmp_path, *(f"f.{letter}{letter}" for letter in "abcdefg"))
    (said,) = find_pictures([tmp_path]).passed_over()
    assert said.endswith("and 2 others.")
