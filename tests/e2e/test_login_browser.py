"""Logins by OpenID Connect in Chromium: no page without one, and cases belong to who kept them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from allcell.imaging.images import encode_png
from allcell.synth import FieldSpec, render
from tests.review_browser import WAIT_MS, heard, to_review, upload
from tests.served import Served, free_port, served

pytest.importorskip("authlib", reason="authlib and httpx are in requirements-dev.txt")

from tests.identity_provider import CLIENT, SECRET, identity_provider

if TYPE_CHECKING:
    from playwright.sync_api import Page

ADA, BERT, STUDENT = "ada@example.org", "bert@example.org", "student@example.org"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Served]:
    """A server whose secrets name a provider that knows three people."""
    port = free_port()
    with identity_provider([ADA, BERT, STUDENT]) as issuer:
        folder = tmp_path / ".streamlit"
        folder.mkdir()
        (folder / "secrets.toml").write_text(
            f"""
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "{"not guessed " * 4}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{issuer}/.well-known/openid-configuration"

[allcell]
readers = ["{STUDENT}"]
""",
            encoding="utf-8",
        )
        environment = {"ALLCELL_DATA_DIR": str(tmp_path / "records"), "ALLCELL_RUNTIME": "onnx"}
        with served(tmp_path / "app.log", environment=environment, port=port) as running:
            yield running


def log_in(page: Page, person: str) -> None:
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("link", name=person).click()
    page.get_by_role("button", name="Log out").wait_for(timeout=WAIT_MS)
    assert page.get_by_text(person).is_visible()


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for(timeout=WAIT_MS)


def test_pages_need_a_login_and_a_case_belongs_to_who_kept_it(
    page: Page, app: Served, tmp_path: Path
) -> None:
    for path in ("", "live", "review", "compare", "models"):
        page.goto(f"{app.url}/{path}")
        page.get_by_role("heading", name="Log in").wait_for(timeout=WAIT_MS)
        assert page.locator("h1").all_inner_texts() == ["Log in"]
        assert page.locator("[data-testid=stFileUploader]").count() == 0

    log_in(page, ADA)
    smear = tmp_path / "smear.png"
    spec = FieldSpec(800, 600, red_cell_px=40, seed=7, blasts=4, neutrophils=2)
    smear.write_bytes(encode_png(render(spec).image))
    upload(page, app.url, smear)
    to_review(page)
    page.get_by_role("button", name="Keep this case").click()
    page.get_by_role("textbox", name="Label", exact=True).fill("Ada's own")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_text("saved", exact=False).first.wait_for(timeout=WAIT_MS)
    heard(page)
    name = page.get_by_role("textbox", name="Printed name")
    assert name.input_value() == ADA, "who signs is who logged in"

    log_out(page)
    for person in (BERT, STUDENT):
        log_in(page, person)
        page.goto(f"{app.url}/review")
        page.get_by_text("No case is kept here.").wait_for(timeout=WAIT_MS)
        assert page.get_by_text("Ada's own").count() == 0
        log_out(page)
    log_in(page, ADA)
    page.goto(f"{app.url}/review")
    page.get_by_text("Ada's own").wait_for(timeout=WAIT_MS)
