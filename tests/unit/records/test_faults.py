"""Nothing half-saved, nothing confirmed lost, and a clear message: whatever happens."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sqlalchemy import text

from allcell.errors import RecordError
from allcell.records import database
from allcell.records.database import Database
from allcell.records.kept import Actor, CaseChangedError
from allcell.records.listing import list_cases
from allcell.records.pictures import PictureFolder
from allcell.records.store import CaseStore
from allcell.records.verifying import verify
from allcell.review import edits
from allcell.review.suggestions import picture_hash
from tests.conftest import ROOT
from tests.review_cases import WHO, at, case, field, refs

#: Saves 200 times, and says each one that it was told is kept.
SAVER = """
import sys
from pathlib import Path
from allcell.records.kept import Actor
from allcell.records.store import CaseStore
from allcell.review import edits
from tests.review_cases import WHO, at, refs

folder, url, case_id = sys.argv[1:]
store, me = CaseStore(Path(folder), url), Actor(WHO)
kept = store.open(case_id, me)
one = kept.review.fields[0]
for n in range(200):
    review = kept.review
    if n % 3 == 2:
        review = review.undo(WHO, at(n))
    elif n % 3 == 1:
        review, _ = edits.add(review, one.sha256, (1, 1, 20, 20 + n % 20), "blast", WHO, at(n))
    else:
        labels = ("healthy", "neutrophil", "blast")
        review = edits.reclassify(review, refs(one, 1, 2, 3), labels[n // 3 % 3], WHO, at(n))
    kept = store.save(kept, review, me)
    print(kept.revision, flush=True)
"""


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 40, 90, 150])
def test_a_server_that_is_killed_during_200_saves(stores, url, me, two_fields, tmp_path, after):
    review, pictures = two_fields
    kept = stores().keep("Case", review, pictures, me)
    child = subprocess.Popen(
        [sys.executable, "-c", SAVER, str(tmp_path / "data"), url, kept.id],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )
    confirmed = []
    while len(confirmed) < after and (line := child.stdout.readline()):
        confirmed.append(int(line))
    # Somewhere within the next save or two.
    time.sleep(0.003 * (after % 7))
    child.send_signal(signal.SIGKILL)
    confirmed += [int(line) for line in child.stdout.read().split()]
    child.wait()
    assert len(confirmed) >= after
    found = stores().open(kept.id, me)
    # One more may be kept that there was no time to confirm.
    assert found.revision in (confirmed[-1], confirmed[-1] + 1)
    assert len(found.review.log) == found.revision - 1
    assert verify(stores()).faults == ()
    back = found.review
    while back.undoable:
        back = back.undo(WHO, at())
    assert back.fields == review.fields
    stores().save(found, edits.confirm(found.review, refs(review.fields[1], 1), WHO, at()), me)


def test_two_servers_save_at_the_same_time(stores, me, two_fields):
    review, pictures = two_fields
    opened = [stores() for _ in range(3)]
    ids = [store.keep(f"Case {n}", review, pictures, me).id for n, store in enumerate(opened)]
    shared = opened[0].keep("Shared", review, pictures, me)
    told, failed = [], []

    def work(store, case_id, name):
        try:
            kept, mine = store.open(case_id, me), store.open(shared.id, me)
            for n in range(8):
                done = edits.confirm(
                    kept.review, refs(review.fields[n // 4], n % 4 + 1), WHO, at(n)
                )
                kept = store.save(kept, done, me)
                # No two servers draw the same box: to change nothing is not saved.
                box = (1, 1, 20 + 10 * int(name[-1]), 20 + n)
                other = edits.move(mine.review, refs(review.fields[0], 1)[0], box, name, at(n))
                try:
                    mine = store.save(mine, other, Actor(name))
                except CaseChangedError as error:
                    told.append(error.by)
                    mine = store.open(shared.id, me)
        except Exception as error:
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(store, case_id, f"server {n}"))
        for n, (store, case_id) in enumerate(zip(opened, ids, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {
        store.open(case_id, me).revision for case_id, store in zip(ids, opened, strict=True)
    } == {9}
    saved = stores().open(shared.id, me)
    # Each save is in the record, or its owner was told that it is not.
    assert saved.revision - 1 + len(told) == 24
    assert verify(stores()).faults == ()


def test_two_servers_that_start_at_once_make_one_database(url, tmp_path):
    made, failed = [], []

    def start():
        try:
            made.append(Database(tmp_path / "data", url))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len({one.id for one in made}) == 1
    for one in made:
        one.close()


@pytest.mark.slow
def test_a_locked_database_says_so_and_loses_nothing(stores, me, two_fields, monkeypatch):
    monkeypatch.setattr(database, "BUSY_S", 1)
    review, pictures = two_fields
    one, other = stores(), stores()
    kept = one.keep("Case", review, pictures, me)
    done = edits.confirm(kept.review, refs(review.fields[0], 1), WHO, at())
    with one.database.write():
        start = time.monotonic()
        with pytest.raises(RecordError, match="in use by someone else") as error:
            other.save(kept, done, me)
        assert time.monotonic() - start < 8
        assert other.open(kept.id, me).review.fields == review.fields
    assert "Try again" in error.value.remedy
    assert other.save(kept, done, me).revision == 2


def test_a_full_database_says_so_and_loses_nothing(tmp_path, me, two_fields):
    review, pictures = two_fields
    store = CaseStore(tmp_path)
    kept = store.keep("Case", review, pictures, me)
    many = case(field("c", ("blast",) * 4000))
    with store.database.write() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
        connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
    more = edits.add_field(kept.review, many.fields[0], WHO, at())
    file = store.pictures.path(many.fields[0].sha256)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"there")
    with pytest.raises(RecordError, match=r"disk with the case database is full") as error:
        store.save(kept, more, me)
    assert "Make room" in error.value.remedy
    assert store.open(kept.id, me).review.fields == review.fields
    file.unlink()
    assert verify(store).faults == ()
    store.database.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB; only root may make one."""
    mount = shutil.which("mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("this user may not mount a small file system")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.child
@pytest.mark.slow
def test_a_disk_that_fills_up_during_saves_keeps_what_was_confirmed(small_disk, me, two_fields):
    review, pictures = two_fields
    store = CaseStore(small_disk)
    kept = store.keep("Case", review, pictures, me)
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    large = dataclasses.replace(field("z", width_px=900, height_px=900), sha256=picture_hash(noise))
    more = edits.add_field(kept.review, large, WHO, at())
    with pytest.raises(RecordError, match="disk with the case database is full"):
        store.save(kept, more, me, {large.sha256: noise})
    assert store.open(kept.id, me).revision == 1
    assert sorted(store.pictures.all()) == sorted(pictures)
    (small_disk / "filler").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 60_000))
    told = None
    for n in range(2000):
        box = (1, 1, 20, 9 + n / 99)
        try:
            done = edits.move(kept.review, refs(review.fields[0], 1)[0], box, WHO, at(n))
            kept = store.save(kept, done, me)
        except RecordError as error:
            told = error.message
            break
    assert told == "The disk with the case database is full."
    assert kept.revision > 1
    (small_disk / "filler").unlink()
    found = store.open(kept.id, me)
    assert found.revision == kept.revision
    assert found.review.fields == kept.review.fields
    assert verify(store).faults == ()
    store.save(kept, edits.confirm(kept.review, refs(review.fields[0], 2), WHO, at()), me)
    store.database.close()


def test_a_picture_that_cannot_be_written_leaves_no_case_and_no_part(
    store, me, two_fields, monkeypatch
):
    review, pictures = two_fields
    put = PictureFolder.put
    calls = []

    def full(self, sha256, image):
        calls.append(sha256)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        put(self, sha256, image)

    monkeypatch.setattr(PictureFolder, "put", full)
    with pytest.raises(RecordError, match="disk with the case database is full"):
        store.keep("Case", review, pictures, me)
    monkeypatch.undo()
    assert list_cases(store, me) == []
    assert verify(store).faults == ()
    assert store.keep("Case", review, pictures, me).revision == 1


@pytest.mark.child
@pytest.mark.slow
def test_a_connection_that_breaks_says_so_and_the_next_try_works(
    postgres_server, tmp_path, me, two_fields, clock
):
    review, pictures = two_fields
    store = CaseStore(tmp_path, postgres_server(), clock=clock)
    kept = store.keep("Case", review, pictures, me)
    with pytest.raises(RecordError, match="cannot be reached"), store.database.write() as broken:
        broken.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    # Restarted, the server has closed the connection that waits in the pool.
    with store.database.write() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    done = edits.confirm(kept.review, refs(review.fields[0], 1), WHO, at())
    assert store.save(kept, done, me).revision == 2
    assert verify(store).faults == ()
    store.database.close()


def test_a_fault_within_a_save_leaves_nothing_of_it(store, me, two_fields, monkeypatch):
    review, pictures = two_fields
    kept = store.keep("Case", review, pictures, me)
    done = edits.confirm_above(kept.review, 0, WHO, at())
    with monkeypatch.context() as broken:
        broken.setattr("allcell.records.trail.append", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.save(kept, done, me)
    assert store.open(kept.id, me).review.fields == review.fields
    assert verify(store).faults == ()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("mysql://u:secret@h/d", "no address of a PostgreSQL", id="another database"),
        pytest.param("secret", "no address of a PostgreSQL", id="no address"),
        pytest.param("postgresql://u:secret@h:port/d", "no address", id="no port"),
        pytest.param("sqlite://", "without a file", id="in memory nothing is kept"),
        pytest.param(
            "postgresql://u:secret@127.0.0.1:9/d", "cannot be reached", id="nobody answers"
        ),
    ],
)
def test_an_address_that_leads_nowhere_is_explained_without_its_password(tmp_path, url, message):
    with pytest.raises(RecordError, match=message) as error:
        Database(tmp_path, url)
    assert "secret" not in str(error.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path):
    file = tmp_path / "cases.sqlite3"
    file.write_bytes(b"This is a letter, not a database. " * 99)
    with pytest.raises(RecordError, match="damaged, or is no database"):
        Database(tmp_path)
    assert file.read_bytes().startswith(b"This is a letter")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordError, match="cannot be written to"):
        Database(tmp_path / "file" / "below")


def test_nobody_else_on_the_machine_may_read_the_cases(tmp_path, me, two_fields):
    review, pictures = two_fields
    store = CaseStore(tmp_path / "data")
    store.keep("Case", review, pictures, me)
    for file in (tmp_path / "data").rglob("*"):
        assert file.stat().st_mode & 0o077 == 0, file
    store.database.close()
