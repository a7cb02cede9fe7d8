"""What a run works on: each picture of a source once, however it is named."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from allcell.batch.inputs import inputs_at
from allcell.batch.storage import Storage
from allcell.errors import AllcellError
from tests.batch_runs import smear


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "ward/b.png", ".hidden/c.png", "a-annotated.png", "notes.doc"):
        path = tmp_path / "smears" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(smear())
    return tmp_path / "smears"


def found(source):
    return [one.address for one in inputs_at(str(source)).inputs]


def test_a_folder_has_its_pictures_in_the_order_of_their_paths(folder):
    assert found(folder) == [str(folder / "a.png"), str(folder / "ward" / "b.png")]
    source = inputs_at(str(folder))
    assert {one.size_bytes for one in source.inputs} == {len(smear())}
    assert any(".doc" in said for said in source.said)
    assert any("-annotated.png" in said for said in source.said)


def test_a_path_is_absolute_so_that_another_machine_finds_it(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert found("a.png") == [str(folder / "a.png")]
    assert found(".") == [str(folder / "a.png"), str(folder / "ward" / "b.png")]


def test_a_list_names_pictures_here_and_elsewhere_each_once(folder):
    lines = ["\ufeff# of Monday", "a.png", "", "ward/../a.png", "ward/b.png ", "gone.png"]
    lines += ["s3://bucket/x y.png", str(folder / "a.png")]
    (folder / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    assert found(folder / "list.txt") == [
        str(folder / "a.png"),
        str(folder / "ward" / "b.png"),
        str(folder / "gone.png"),
        "s3://bucket/x y.png",
    ]


@pytest.mark.skipif(find_spec("fsspec") is None, reason="no fsspec here")
def test_a_distant_folder_and_a_distant_list(tmp_path):
    place = Storage(f"memory://{tmp_path.name}")
    for name in ("a.png", "ward/b.JPG", "notes.doc", "a-annotated.png", ".hidden/c.png"):
        place.write(name, smear())
    place.write("list.txt", b"ward/b.JPG\n/data/c.png\n")
    base = f"memory://{tmp_path.name}"
    assert found(base) == [f"{base}/a.png", f"{base}/ward/b.JPG"]
    assert found(f"{base}/list.txt") == [f"{base}/ward/b.JPG", "/data/c.png"]
    assert found(f"{base}/a.png") == [f"{base}/a.png"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("none.txt", b"# nothing\n", "There is no picture", id="an empty list"),
        pytest.param("latin.txt", b"\xe4.png", "not text in UTF-8", id="another encoding"),
        pytest.param("nothing", None, "There is no file or folder", id="nothing there"),
    ],
)
def test_a_source_without_pictures_is_told(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AllcellError, match=said):
        inputs_at(str(tmp_path / name))
