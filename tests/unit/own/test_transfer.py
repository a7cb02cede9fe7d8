"""A model as one file: what comes back is the same, and a stranger's file is read as such."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest

from allcell.errors import ModelError
from allcell.own import transfer
from allcell.own.card_file import MAX_CARD_BYTES, card_json
from allcell.own.own_model import CARD_FILE, ONNX_FILE
from allcell.own.shelf import Shelf
from allcell.own.transfer import export_bytes, export_model, import_model, read_exported
from tests.own_models import BYTES, Person, card, laboratory, taught
from tests.untrusted_graphs import anchor_free, endless, graph

ADA = Person("ada@lab")


@pytest.fixture
def kept(tmp_path):
    return Shelf(tmp_path / "models")


@pytest.fixture
def there(tmp_path):
    """The shelf of another machine."""
    return Shelf(tmp_path / "there")


def zipped(*members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def told(onnx=BYTES, **more):
    """The text of a card that fits a network."""
    import hashlib

    return card_json(card(**{"sha256": hashlib.sha256(onnx).hexdigest(), **more}))


def exported(onnx, **more):
    return zipped((CARD_FILE, told(onnx, **more)), (ONNX_FILE, onnx))


def test_an_exported_model_is_whole(kept, tmp_path):
    made = kept.add(BYTES, card(familiarity=laboratory()), ADA)
    size = export_model(made, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").stat().st_size == size < len(BYTES) + 20_000
    read, onnx = read_exported(tmp_path / "a.zip")
    assert onnx == BYTES
    # Who owns it here is nobody there.
    assert read == replace(made.card, owner="")
    assert b"ada@lab" not in export_bytes(made)
    assert export_bytes(made) == export_bytes(made)
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in file.infolist())


def test_a_damaged_model_is_not_exported(kept, tmp_path):
    made = kept.add(BYTES, card())
    (made.folder / ONNX_FILE).write_bytes(b"exchanged")
    with pytest.raises(ModelError, match="not the one that was made"):
        export_model(made, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def bomb():
    """A card of a few kilobytes that unpacks to more than a gigabyte, or says so."""
    return zipped(
        (CARD_FILE, b" " * 10_000_000), (ONNX_FILE, BYTES), compression=zipfile.ZIP_DEFLATED
    )


def lying(content, field, value):
    """The same file with a size in its list of members changed."""
    at = content.rindex(b"PK\x01\x02")
    where = at + {"compressed": 20, "unpacked": 24, "flags": 8}[field]
    size = 2 if field == "flags" else 4
    return content[:where] + value.to_bytes(size, "little") + content[where + size :]


GOOD = zipped((CARD_FILE, told()), (ONNX_FILE, BYTES))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "no ZIP", id="empty"),
        pytest.param(b"PK\x03\x04", "no ZIP", id="its beginning"),
        pytest.param(GOOD[:-30], "no ZIP|cut", id="cut at the end"),
        pytest.param(GOOD[40:], "no ZIP|cut", id="cut at the beginning"),
        pytest.param(GOOD.replace(BYTES, b"AN ONNX FILE"), "no ZIP|damaged", id="a bit of rot"),
        pytest.param(zipped(), "holds nothing", id="nothing in it"),
        pytest.param(zipped((ONNX_FILE, BYTES)), "expected card.json", id="no card"),
        pytest.param(zipped((CARD_FILE, told())), "expected card.json", id="no network"),
        pytest.param(
            zipped((CARD_FILE, told()), (ONNX_FILE, BYTES), ("../../evil.py", "x")),
            "evil.py",
            id="a path out of it",
        ),
        pytest.param(
            zipped((f"../{CARD_FILE}", told()), (f"/{ONNX_FILE}", BYTES)), "expected", id="paths"
        ),
        pytest.param(bomb(), "is compressed", id="a bomb"),
        pytest.param(lying(GOOD, "unpacked", 2**31), "is compressed", id="a size that lies"),
        pytest.param(lying(GOOD, "flags", 1), "encrypted", id="encrypted"),
        pytest.param(
            zipped((CARD_FILE, b" " * (MAX_CARD_BYTES + 1)), (ONNX_FILE, BYTES)),
            "more than",
            id="a card without end",
        ),
        pytest.param(zipped((CARD_FILE, "{}"), (ONNX_FILE, BYTES)), "cut or damaged", id="no card"),
        pytest.param(
            zipped((CARD_FILE, told().replace("0.89", "0.99")), (ONNX_FILE, BYTES)),
            "was altered",
            id="better scores",
        ),
        pytest.param(
            zipped((CARD_FILE, told(b"other")), (ONNX_FILE, BYTES)),
            "not the one of its card",
            id="another network",
        ),
        pytest.param(
            zipped((CARD_FILE, told(sha256="")), (ONNX_FILE, BYTES)),
            "not the one of its card",
            id="no hash",
        ),
    ],
)
def test_what_is_no_exported_model_is_refused(kept, content, said):
    with pytest.raises(ModelError, match=said) as refused:
        import_model(kept, content)
    assert refused.value.remedy
    assert not kept.folder.exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused():
    content = zipped((CARD_FILE, told()), (ONNX_FILE, BYTES), (ONNX_FILE, b"another"))
    with pytest.raises(ModelError, match="holds"):
        read_exported(content)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.truncate(transfer.MAX_BYTES + 1)
    monkeypatch.setattr(transfer.Path, "read_bytes", lambda _: pytest.fail("was read"))
    with pytest.raises(ModelError, match="MB, more than 300 MB"):
        read_exported(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"none\.zip cannot be read"):
        read_exported(tmp_path / "none.zip")


def test_the_limit_is_that_of_any_strangers_network():
    from allcell.untrusted.network import MAX_BYTES

    assert transfer.MAX_ONNX_BYTES == MAX_BYTES


@pytest.mark.child
def test_a_model_moves_to_another_machine(kept, there, tmp_path):
    made = kept.add(taught(), card(familiarity=laboratory()))
    export_model(made, tmp_path / "a.zip")
    came = import_model(there, tmp_path / "a.zip", ADA)
    assert came.onnx().read_bytes() == taught()
    assert came.card.imported
    assert came.card == replace(made.card, imported=True, owner="ada@lab", id=came.card.id)
    with pytest.raises(ModelError, match="named Klinikum A already"):
        import_model(there, tmp_path / "a.zip", ADA)
    again = import_model(there, tmp_path / "a.zip", ADA, name="Klinikum A (2)")
    assert len(there.models(ADA)) == 2
    # Passed on once more, it is still a stranger's.
    assert read_exported(export_bytes(again))[0].imported


def test_a_reader_imports_nothing(kept):
    with pytest.raises(ModelError, match="may look"):
        import_model(kept, GOOD, Person("eve", reader=True))


@pytest.mark.child
@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(exported(BYTES), "not an ONNX|no ONNX|ONNX", id="no network at all"),
        pytest.param(exported(zlib.compress(bytes(1000))), "ONNX", id="anything"),
        pytest.param(exported(graph(anchor_free())), "pixels only", id="of one size"),
        pytest.param(exported(graph(np.zeros(10), side="any")), "no boxes", id="a classifier"),
        pytest.param(exported(taught(), classes=("blast", "healthy")), "class", id="other classes"),
        pytest.param(exported(taught(), parent="yolov99"), "does not have", id="unknown parent"),
        pytest.param(exported(taught(), name="live"), "allcell comes with", id="a name of ours"),
    ],
)
def test_a_network_that_does_not_pass_as_a_strangers_is_not_kept(kept, content, said):
    with pytest.raises(ModelError, match=said):
        import_model(kept, content)
    assert kept.models() == ()
    assert not kept.folder.exists()


@pytest.mark.child
def test_a_network_without_end_is_stopped_in_its_own_process(kept, monkeypatch):
    from allcell.untrusted import trial

    monkeypatch.setattr(trial, "_LONGEST_S", 2.0)
    with pytest.raises(ModelError, match="not answered within 2 s"):
        import_model(kept, exported(endless()))
    assert kept.models() == ()


def test_a_card_of_the_file_is_json_that_people_can_read(kept):
    made = kept.add(BYTES, card())
    with zipfile.ZipFile(io.BytesIO(export_bytes(made))) as file:
        said = json.loads(file.read(CARD_FILE))
    assert (said["schema"], said["note"]) == (1, "for this laboratory")
