"""The shelf: what is on it is there as a whole or not at all, and only for those whose it is."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from allcell.engines import kept_graphs
from allcell.engines.choosing import choices
from allcell.errors import ModelError
from allcell.models.registry import CLASSIFIERS, MODELS
from allcell.own import shelf as shelves
from allcell.own import shelf_faults
from allcell.own.access import EVERYONE
from allcell.own.own_model import CARD_FILE, ONNX_FILE
from allcell.own.shelf import Shelf
from allcell.settings import Settings
from tests.conftest import ROOT
from tests.own_models import BYTES, Person, card, taught

ADA, BOB = Person("ada@lab"), Person("bob@lab")
LOOKER, NOBODY = Person("eve@lab", reader=True), Person("reviewer", logged_in=False)

#: Adds a model, and kills itself at a point of it.
KILLED = """
import os, signal, sys
from pathlib import Path
from allcell.own import shelf
from tests.own_models import BYTES, card

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

where = sys.argv[2]
if where == "write":
    kept = shelf.write_through
    shelf.write_through = lambda path, data: die() if path.suffix == ".json" else kept(path, data)
elif where == "rename":
    shelf.os.rename = die
elif where == "delete":
    shelf.shutil.rmtree = die
one = shelf.Shelf(Path(sys.argv[1]))
one.delete("Klinikum A") if where == "delete" else one.add(BYTES, card("Klinikum B"))
"""
#: Adds a model of one name, as another process does at the same time.
ADDER = """
import sys, time
from pathlib import Path
from allcell.errors import ModelError
from allcell.own.shelf import Shelf
from tests.own_models import card

folder, number, start = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
one = Shelf(folder)
time.sleep(max(0, start - time.time()))
for n in range(10):
    one.add(f"{number}-{n}".encode(), card(f"model {number} {n}"))
try:
    one.add(b"the same", card("the same"))
    print("added")
except ModelError as error:
    print(error.message)
"""


@pytest.fixture
def kept(tmp_path):
    return Shelf(tmp_path / "data" / "models")


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_to_look_makes_nothing(kept):
    assert kept.models() == kept.damaged() == ()
    assert kept.find("Klinikum A") is None
    with pytest.raises(ModelError, match="no model of this laboratory"):
        kept.delete("Klinikum A")
    assert not kept.folder.exists()


def test_a_model_is_kept_and_found_by_name_and_id(kept):
    made = kept.add(BYTES, card("Klinik  Süd "))
    assert made.card.name == "Klinik Süd"
    assert made.card.id.startswith("lab-klinik-sud-")
    assert made.card.sha256 == hashlib.sha256(BYTES).hexdigest()
    assert made.onnx().read_bytes() == BYTES
    assert kept.models() == (made,)
    assert kept.find(made.card.id) == kept.find("klinik süd") == made
    assert files(kept.folder) == [f"{made.card.id}/{CARD_FILE}", f"{made.card.id}/{ONNX_FILE}"]
    assert kept.folder.stat().st_mode & 0o077 == 0  # nobody else on the machine


def test_one_from_a_file_is_copied(kept, tmp_path):
    (tmp_path / "trained.onnx").write_bytes(BYTES)
    made = kept.add(tmp_path / "trained.onnx", card())
    (tmp_path / "trained.onnx").unlink()
    assert made.onnx().read_bytes() == BYTES
    with pytest.raises(ModelError, match="cannot be used"):
        kept.add(tmp_path / "no such file", card("B"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("", "no name", id="empty"),
        pytest.param(" ... ", "no name", id="no letter"),
        pytest.param("x" * 61, "61 characters", id="too long"),
        pytest.param("a*b", "cannot be used", id="Markdown"),
        pytest.param("a/../b", "cannot be used", id="a path"),
        pytest.param("a\u202eb", "cannot be used", id="turned text"),
        pytest.param("lab-x", "may begin with", id="like an id"),
        pytest.param("user-x", "may begin with", id="like a model of a session"),
        *(
            pytest.param(name, "allcell comes with", id=f"clash with {name}")
            for spec in (*MODELS[:2], CLASSIFIERS[0])
            for name in (spec.name, spec.title.upper())
            if "," not in name
        ),
    ],
)
def test_a_name_that_cannot_be_is_refused(kept, name, said):
    with pytest.raises(ModelError, match=said):
        kept.add(BYTES, card(name))
    made = kept.add(BYTES, card())
    with pytest.raises(ModelError, match=said):
        kept.rename(made.card.id, name)
    assert [one.card.name for one in kept.models()] == ["Klinikum A"]


def test_two_models_have_two_names(kept):
    first = kept.add(BYTES, card("A"))
    with pytest.raises(ModelError, match="named A already"):
        kept.add(b"another", card("a"))
    second = kept.add(b"another", card("B"))
    with pytest.raises(ModelError, match="named A already"):
        kept.rename("B", "A")
    assert kept.rename("A", "a").card.name == "a"  # its own name in another spelling
    assert [one.card.id for one in kept.models()] == [first.card.id, second.card.id]


def test_a_new_name_keeps_the_id_under_which_results_were_exported(kept):
    made = kept.add(BYTES, card("A"))
    renamed = kept.rename("A", "Labor Nord")
    assert (renamed.card.id, renamed.card.name) == (made.card.id, "Labor Nord")
    assert kept.find("A") is None
    assert kept.get("labor nord").onnx().read_bytes() == BYTES


def test_a_model_is_its_owners(kept):
    made = kept.add(BYTES, card(), ADA)
    assert made.card.owner == "ada@lab"
    for person, sees in ((ADA, True), (BOB, False), (NOBODY, True), (None, True)):
        assert (kept.find("Klinikum A", person) is not None) == sees
    for act in (kept.delete, lambda n, w: kept.rename(n, "B", w), lambda n, w: kept.give(n, "", w)):
        with pytest.raises(ModelError, match="no model of this laboratory"):
            act(made.card.id, BOB)
    # The same name and network, for somebody else.
    theirs = kept.add(BYTES, card(), BOB)
    assert theirs.card.id != made.card.id
    with pytest.raises(ModelError, match="2 models have the name"):
        kept.get("Klinikum A")
    kept.delete("Klinikum A", BOB)
    assert kept.models() == (made,)


def test_one_for_everybody_is_nobodys_to_change(kept):
    kept.add(BYTES, card(), ADA)
    shared = kept.give("Klinikum A", EVERYONE)
    assert kept.models(BOB) == (shared,)
    for person in (ADA, BOB):
        with pytest.raises(ModelError, match="not change it"):
            kept.delete("Klinikum A", person)
    with pytest.raises(ModelError, match="named Klinikum A already"):
        kept.add(b"another", card(), BOB)
    kept.delete("Klinikum A", NOBODY)
    assert kept.models() == ()


def test_who_may_only_look_changes_nothing(kept):
    with pytest.raises(ModelError, match="may look"):
        kept.add(BYTES, card(), LOOKER)
    kept.give(kept.add(BYTES, card()).card.id, "eve@lab")
    for act in (kept.delete, lambda n, w: kept.rename(n, "B", w)):
        with pytest.raises(ModelError, match="not change"):
            act("Klinikum A", LOOKER)
    assert len(kept.models(LOOKER)) == 1


def test_a_deleted_model_is_gone_with_what_was_compiled_from_it(kept, tmp_path, monkeypatch):
    there = Settings(cache_dir=tmp_path / "cache")
    monkeypatch.setattr(kept_graphs, "settings", lambda: there)
    monkeypatch.setattr(choices, "settings", lambda: there)
    made, other = kept.add(BYTES, card("A")), kept.add(b"other", card("B"))
    for one in (made, other):
        kept_graphs.keep(kept_graphs.key(one.card.sha256, "cpu"), b"weights inside")
        path = choices.path_of(one.card.id, "stills")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    kept.delete("A")
    assert kept.models() == (other,)
    assert files(kept.folder) == [f"{other.card.id}/{CARD_FILE}", f"{other.card.id}/{ONNX_FILE}"]
    assert list(kept.folder.glob(".*")) == []
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(left) == 2
    assert all(other.card.sha256[:16] in name or other.card.id in name for name in left)


def test_compiled_graphs_stay_while_a_copy_needs_them(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_graphs, "settings", lambda: Settings(cache_dir=tmp_path / "cache"))
    made = kept.add(BYTES, card("A"))
    kept.add(BYTES, card("B"))
    key = kept_graphs.key(made.card.sha256, "cpu")
    kept_graphs.keep(key, b"graph")
    kept.delete("A")
    assert kept_graphs.read(key) == b"graph"
    kept.delete("B")
    assert kept_graphs.read(key) is None


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        pytest.param(CARD_FILE, os.unlink, "missing", id="no card"),
        pytest.param(CARD_FILE, cut, "cut or damaged", id="card cut"),
        pytest.param(ONNX_FILE, os.unlink, "missing", id="no network"),
        pytest.param(
            CARD_FILE,
            lambda path: path.write_text(
                path.read_text("utf-8").replace("Better", "Best"), "utf-8"
            ),
            "altered",
            id="card altered",
        ),
    ],
)
def test_a_damaged_model_is_named_and_spoils_no_other(kept, file, damage, said):
    made, other = kept.add(BYTES, card("A")), kept.add(b"other", card("B"))
    damage(made.folder / file)
    assert kept.models() == (other,)
    (broken,) = kept.damaged()
    assert broken.id == made.card.id
    assert said in broken.problem.message
    assert broken.problem.remedy
    assert kept.damaged(BOB) == ()  # nobody knows whose it was
    with pytest.raises(ModelError, match=said):
        kept.get(made.card.id)
    kept.delete(made.card.id)
    assert kept.damaged() == ()


def test_a_network_that_was_exchanged_is_not_used(kept):
    made = kept.add(BYTES, card("A"))
    (made.folder / ONNX_FILE).write_bytes(b"a stranger's")
    with pytest.raises(ModelError, match="not the one that was made"):
        made.onnx()


def test_the_card_of_another_model_is_not_believed(kept):
    first, second = kept.add(BYTES, card("A")), kept.add(b"other", card("B"))
    shutil.copy(first.folder / CARD_FILE, second.folder / CARD_FILE)
    assert [one.id for one in kept.damaged()] == [second.card.id]


def test_what_else_lies_there_is_left_alone(kept):
    kept.add(BYTES, card())
    (kept.folder / "notes.txt").write_text("mine")
    (kept.folder / "other").mkdir()
    assert len(kept.models()) == 1
    assert kept.damaged() == ()
    kept.delete("Klinikum A")
    assert sorted(path.name for path in kept.folder.iterdir()) == ["notes.txt", "other"]


@pytest.mark.parametrize(
    ("code", "said", "remedy"),
    [
        pytest.param(errno.ENOSPC, "is full", "Make room", id="disk full"),
        pytest.param(errno.EROFS, "cannot be read or written", "Let the user", id="read-only"),
        pytest.param(errno.EACCES, "cannot be read or written", "Let the user", id="forbidden"),
        pytest.param(errno.EIO, "cannot be used", "disk", id="broken disk"),
    ],
)
@pytest.mark.parametrize("where", ["write", "rename", "make"])
def test_a_disk_that_fails_leaves_nothing_behind(kept, monkeypatch, code, said, remedy, where):
    before = kept.add(BYTES, card("A"))

    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as broken:
        target, name = {
            "write": (shelf_faults.os, "fsync"),
            "rename": (shelves.os, "rename"),
            "make": (shelves.tempfile, "mkdtemp"),
        }[where]
        broken.setattr(target, name, fail)
        with pytest.raises(ModelError, match=said) as refused:
            kept.add(b"another", card("B"))
    assert remedy in refused.value.remedy
    assert kept.models() == (before,)
    assert [path.name for path in kept.folder.iterdir()] == [before.card.id]
    assert kept.add(b"another", card("B")).onnx().read_bytes() == b"another"


def test_a_new_name_on_a_full_disk_leaves_the_old_one(kept, monkeypatch):
    before = kept.add(BYTES, card("A"))

    def fail(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as broken:
        broken.setattr(shelves, "write_whole", fail)
        with pytest.raises(ModelError, match="is full"):
            kept.rename("A", "B")
    assert kept.models() == (before,)


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    kept = Shelf(tmp_path / "file" / "models")
    assert kept.models() == ()
    with pytest.raises(ModelError, match="cannot be used") as refused:
        kept.add(BYTES, card())
    assert "ALLCELL_DATA_DIR" in refused.value.remedy


@pytest.mark.child
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("where", ["write", "rename", "delete"])
def test_a_process_that_is_killed_leaves_no_half(kept, where):
    before = kept.add(b"whole", card("Klinikum A"))
    done = subprocess.run([sys.executable, "-c", KILLED, kept.folder, where], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert kept.damaged() == ()
    assert kept.models() == (() if where == "delete" else (before,))
    (left,) = kept.folder.glob(".*")
    if where != "delete":
        os.utime(left, (time.time() - 7200,) * 2)
    # The next one that is added takes it away.
    kept.add(b"next", card("Klinikum C"))
    assert list(kept.folder.glob(".*")) == []


def test_what_another_process_is_making_is_left_alone(kept):
    kept.add(BYTES, card("A"))
    (kept.folder / ".new-other").mkdir()
    kept.add(b"another", card("B"))
    assert (kept.folder / ".new-other").is_dir()


@pytest.mark.child
def test_processes_that_add_at_once_lose_nothing(kept):
    start = str(time.time() + 3)
    adding = [
        subprocess.Popen(
            [sys.executable, "-c", ADDER, kept.folder, str(n), start],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    said = [process.communicate(timeout=60)[0].strip() for process in adding]
    assert all(process.returncode == 0 for process in adding)
    names = [one.card.name for one in kept.models()]
    assert kept.damaged() == ()
    assert len(set(names)) == len(names) >= 20
    # One of them, or in a close race neither, and both are told.
    assert names.count("the same") == said.count("added") <= 1


def test_a_name_taken_by_another_process_meanwhile_is_given_up(kept, monkeypatch):
    put = Shelf._put

    def put_late(self, made, one):
        monkeypatch.setattr(Shelf, "_put", put)
        Shelf(self.folder).add(b"of another process", card("A"))
        put(self, made, one)

    monkeypatch.setattr(Shelf, "_put", put_late)
    with pytest.raises(ModelError, match="named A already"):
        kept.add(BYTES, card("A"))
    (one,) = kept.models()
    assert one.onnx().read_bytes() == b"of another process"


@pytest.mark.slow
def test_a_network_changed_a_little_is_another(kept):
    assert taught() != taught(0.05)
    first = kept.add(taught(), card("A"))
    assert kept.add(taught(0.05), card("B")).card.sha256 != first.card.sha256
