"""Kept cases on the command line."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.records import store as records
from allcell.records.kept import Actor
from allcell.records.listing import list_cases
from allcell.records.store import CaseStore
from allcell.review import edits
from allcell.review.suggestions import picture_hash
from allcell.settings import RESEARCH_USE, Settings, settings
from allcell.teaching.state import State
from allcell.teaching.work import teachings_dir
from tests.review_cases import WHO, at, case, field
from tests.teaching_cases import begun

IMAGE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
ME = Actor(WHO)


def run(*arguments, **given):
    return CliRunner().invoke(app, ["cases", *map(str, arguments)], **given)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    own = Settings(data_dir=tmp_path / "data", database_url="")
    monkeypatch.setattr(records, "settings", lambda: own)
    records.case_store.cache_clear()
    yield tmp_path / "data"
    if records.case_store.cache_info().currsize:
        records.case_store().database.close()
    records.case_store.cache_clear()


@pytest.fixture
def kept(folder):
    store = CaseStore(folder)
    one = replace(field("a"), sha256=picture_hash(IMAGE))
    review = edits.confirm_above(case(one), 0, WHO, at())
    found = store.keep("Fall Müller", review, {one.sha256: IMAGE}, ME)
    found = store.sign(found, "Dr. Ada Weiß", "Reviewed", ME)
    store.database.close()
    return found


def test_to_look_makes_no_file(folder):
    done = run("list")
    assert done.exit_code == 0
    assert "No case is kept in" in done.stderr
    assert run("place").stdout.startswith(str(folder / "cases.sqlite3"))
    for command in (["verify"], ["show", "ab"], ["delete", "ab"], ["export", "ab", "x.zip"]):
        done = run(*command)
        assert done.exit_code == 1
        assert "No case is kept in" in done.stderr
    assert not folder.exists()


def test_list_and_show(kept):
    done = run("list")
    assert "Fall Müller: 1 fields, 4 cells, signed" in done.stdout
    [line] = run("list", "--json", "--search", "müller").stdout.splitlines()
    assert json.loads(line)["id"] == kept.id
    assert "No case is found" in run("list", "--search", "nobody").stderr
    done = run("show", kept.id[:8], "--trail")
    assert "Version 1, reviewed by Dr. Ada Weiß" in done.stdout
    assert "Blast: 2 (suggested 2), 66.7 % (9.4 to 99.2) of the white cells" in done.stdout
    assert ": sign" in done.stdout
    assert RESEARCH_USE in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "start"),
    [
        ("pdf", b"%PDF"),
        ("cells-csv", b"\xef\xbb\xbffield,"),
        ("counts-csv", b"\xef\xbb\xbfclass,"),
        ("coco", b'{\n "info"'),
        ("fhir", b"{"),
        ("json", b'{\n "allcell": "case"'),
        ("zip", b"PK"),
    ],
)
def test_export(kept, tmp_path, what, start):
    target = tmp_path / "out"
    done = run("export", kept.id[:6], target, "--as", what)
    assert done.exit_code == 0, done.output
    assert target.read_bytes().startswith(start)
    assert "export" in run("show", kept.id, "--trail").stdout
    assert run("verify").exit_code == 0


@pytest.mark.slow
def test_an_export_without_its_label_is_read_as_another_case(kept, tmp_path, folder):
    target = tmp_path / "out.zip"
    assert run("export", kept.id, target, "--no-label").exit_code == 0
    with zipfile.ZipFile(target) as source:
        assert not any("Müller" in source.read(name).decode("latin-1") for name in ("case.json",))
    done = run("import", target)
    assert done.exit_code == 0, done.output
    store = CaseStore(folder)
    again = store.open(done.stdout.strip(), ME)
    assert again.label == "out"
    assert again.review.fields == kept.review.fields
    assert again.signatures == ()
    assert len(list_cases(store, ME)) == 2
    store.database.close()


def test_verify_says_what_was_changed(kept, folder):
    done = run("verify")
    assert done.exit_code == 0
    assert "nothing was changed" in done.stdout
    head = done.stdout.split()[-1]
    assert run("verify", "--expect", head[:12]).exit_code == 0
    assert run("verify", "--expect", "0123").exit_code == 1
    store = CaseStore(folder)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE cells SET label = 'healthy'")
    store.database.close()
    done = run("verify")
    assert done.exit_code == 1
    assert "fault: Case" in done.stdout


def test_delete_asks_and_then_deletes(kept, folder):
    assert run("delete", kept.id[:8], input="n\n").exit_code == 1
    assert "Fall" in run("list").stdout
    done = run("delete", kept.id[:8], "--yes")
    assert done.exit_code == 0
    assert "with 1 pictures" in done.stderr
    assert run("list").stdout == ""
    assert run("verify").exit_code == 0


def test_an_unfinished_teaching_with_its_pictures_goes_too(kept, folder, monkeypatch):
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(folder))
    settings.cache_clear()
    try:
        mine = begun(teachings_dir(), "0a", State(), name="Mine", cases=(kept.id,))
        other = begun(teachings_dir(), "0b", State(), name="Other", cases=("another",))
        done = run("delete", kept.id[:8], "--yes")
        assert "The unfinished teaching of Mine" in done.stderr
        assert "Other" not in done.stderr
        assert (mine.folder.exists(), other.folder.exists()) == (False, True)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_a_case_is_given_to_someone_who_logs_in(kept, folder):
    ada = Actor("ada", logged_in=True)
    assert run("give", kept.id[:8], "ada", "--role", "reader").exit_code == 0
    store = CaseStore(folder)
    assert [line.role for line in list_cases(store, ada)] == ["reader"]
    assert run("give", kept.id[:8], "ada").exit_code == 0
    assert [line.role for line in list_cases(store, ada)] == ["owner"]
    assert run("give", kept.id[:8], "ada", "--role", "king").exit_code == 2
    store.database.close()


def test_a_number_that_fits_none(kept):
    done = run("show", "zz")
    assert done.exit_code == 1
    assert "No cases have a number that begins with 'zz'" in done.stderr
