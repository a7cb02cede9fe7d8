"""Folders here and elsewhere: whole files or none, and nothing hidden."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

from allcell.batch import storage
from allcell.batch.storage import Storage, is_address, joined, parent_of
from allcell.errors import DataError, ImageError

needs_fsspec = pytest.mark.skipif(find_spec("fsspec") is None, reason="no fsspec here")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        pytest.param("s3://bucket/smears", True, id="an object store"),
        pytest.param("GS://bucket", True, id="in capitals"),
        pytest.param("/data/smears", False, id="a path"),
        pytest.param("C:/data", False, id="a drive"),
        pytest.param("a:b", False, id="a file with a colon"),
    ],
)
def test_an_address_is_told_from_a_path(text, is_one):
    assert is_address(text) is is_one


@pytest.mark.parametrize(
    ("folder", "name", "address"),
    [
        pytest.param("/data", "a/b.png", "/data/a/b.png", id="path"),
        pytest.param("s3://b/x/", "a.png", "s3://b/x/a.png", id="a slash at the end"),
        pytest.param("s3://b/x?region=eu", "a.png", "s3://b/x/a.png?region=eu", id="options"),
    ],
)
def test_a_file_has_the_address_of_its_folder(folder, name, address):
    assert joined(folder, name) == address
    assert joined(parent_of(address), address.partition("?")[0].rpartition("/")[2]) == address


@pytest.fixture(params=["local", pytest.param("memory", marks=needs_fsspec)])
def place(request, tmp_path):
    if request.param == "local":
        return Storage(str(tmp_path / "of results"))
    return Storage(f"memory://{tmp_path.name}/of results")


def test_what_is_written_is_listed_read_and_deleted(place):
    assert place.files() == []
    assert place.files("images") == []
    place.write("images/b.bin", b"old")
    place.write("images/b.bin", b"new")
    place.write("images/a 100 %#?.bin".replace("?", ""), b"1")
    assert [(f.name, f.size_bytes) for f in place.files("images")] == [
        ("a 100 %#.bin", 1),
        ("b.bin", 3),
    ]
    assert place.holds("images/b.bin")
    assert not place.holds("images")
    assert place.is_folder()
    assert place.read("images/b.bin") == b"new"
    place.delete("images/b.bin")
    place.delete("images/b.bin")
    assert not place.holds("images/b.bin")
    with pytest.raises(ImageError, match="There is no file"):
        place.read("images/b.bin")


def test_what_is_not_yet_whole_is_not_there(place):
    place.write("images/.half.part", b"ha")
    place.write(".hidden/a.bin", b"ha")
    assert place.files() == []


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path, monkeypatch):
    place = Storage(str(tmp_path))
    place.write("a/kept.bin", b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        place.write("a/kept.bin", b"after")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept.bin"]
    assert place.read("a/kept.bin") == b"before"


def test_a_passing_fault_of_a_distant_storage_is_waited_for(monkeypatch, tmp_path):
    place = Storage(str(tmp_path))
    place.write("a.bin", b"there")
    tried = []

    class Flaky:
        type_name = "s3"

        def open_input_stream(self, path):
            tried.append(path)
            if len(tried) < 3:
                raise OSError(110, "Connection timed out")
            return open(path, "rb")

    monkeypatch.setattr(storage, "_AGAIN_AFTER_S", (0.0, 0.0))
    place._files = Flaky()
    assert place.read("a.bin") == b"there"
    assert len(tried) == 3


def test_an_unknown_kind_of_address_is_refused():
    with pytest.raises(DataError, match="cannot be opened"):
        Storage("gopher://example.org/smears")
