"""The routes of slides: one browser has one slide, and nobody gets anything else."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from allcell.errors import SlideError
from allcell.ui.tiles import routes
from allcell.ui.tiles.newest_first import NewestFirst
from allcell.ui.tiles.routes import COOKIE, slide_path, slide_routes
from allcell.ui.tiles.shown import AskedView, ShownSlides

LOOK = "number=1&x=0.5&y=-3&width=100&height=80&scale=0.5&after=-1&lowest=0.25"


class Slide:
    """Says what it is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.looks: list[AskedView] = []
        self.news: dict[str, object] | None = {"number": 1, "cells": []}
        self.heard: list[Callable[[], None]] = []

    def tile(self, level: int, column: int, row: int) -> bytes:
        if level == 9:
            raise SlideError("The file is gone.", "")
        if level > 2:
            raise LookupError
        return f"{self.name} {level} {column} {row}".encode()

    def overview(self) -> bytes:
        return self.name.encode()

    def fitness(self) -> Mapping[str, object]:
        return {"names": ["fit"]}

    def look(self, look: AskedView) -> None:
        self.looks.append(look)

    def answer(self, look: AskedView) -> Mapping[str, object] | None:
        return self.news

    @contextmanager
    def listening(self, heard: Callable[[], None]) -> Iterator[None]:
        self.heard.append(heard)
        try:
            yield
        finally:
            self.heard.remove(heard)


@pytest.fixture
def slides() -> ShownSlides:
    """What a server shows."""
    return ShownSlides()


def browser(slides: ShownSlides, base_path: str = "", site: str = "same-origin") -> TestClient:
    """A browser with cookies of its own."""
    app = Starlette(routes=slide_routes(base_path, slides))
    return TestClient(app, headers={"Sec-Fetch-Site": site})


def test_a_browser_that_said_hello_gets_its_tiles(slides: ShownSlides) -> None:
    """With the headers that let it keep them and nobody else see them."""
    path = slide_path(slides.show(Slide("mine")))
    with browser(slides) as mine:
        assert mine.post(f"{path}/hello").status_code == 204
        tile = mine.get(f"{path}/tile/2/3/4")
        assert (tile.status_code, tile.content) == (200, b"mine 2 3 4")
        assert tile.headers["content-type"] == "application/octet-stream"
        assert mine.get(f"{path}/overview").headers["content-type"] == "image/jpeg"
        assert tile.headers["cache-control"].startswith("private, max-age=")
        assert mine.get(f"{path}/overview").content == b"mine"
        assert mine.get(f"{path}/fitness").json() == {"names": ["fit"]}
        cells = mine.get(f"{path}/cells?{LOOK}")
        assert cells.json() == {"number": 1, "cells": []}
        assert cells.headers["cache-control"] == "no-store"


def test_the_key_is_kept_from_scripts_and_other_paths(slides: ShownSlides) -> None:
    """It is sent to this slide only, and by no other site's page."""
    path = slide_path(slides.show(Slide("mine")), "cells")
    with browser(slides, "cells") as mine:
        cookie = mine.post(f"{path}/hello").headers["set-cookie"]
    assert f"Path={path};" in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


def test_two_sessions_cannot_fetch_each_others_tiles(slides: ShownSlides) -> None:
    """Not even with the address of the other one, and not with a key to another slide."""
    mine, other = (slide_path(slides.show(Slide(name))) for name in ("mine", "other"))
    with browser(slides) as me, browser(slides) as somebody:
        me.post(f"{mine}/hello")
        somebody.post(f"{other}/hello")
        assert somebody.post(f"{mine}/hello").status_code == 404
        for asked in ("tile/0/0/0", "overview", "fitness", f"cells?{LOOK}"):
            assert somebody.get(f"{mine}/{asked}").status_code == 404
        stolen = somebody.cookies.jar
        keys = [cookie.value for cookie in stolen if cookie.name == COOKIE]
        headers = {"cookie": f"{COOKIE}={keys[0]}"}
        assert browser(slides).get(f"{mine}/overview", headers=headers).status_code == 404
        assert me.get(f"{mine}/overview").status_code == 200


def test_without_a_hello_the_address_opens_nothing(slides: ShownSlides) -> None:
    """A cookie that is empty is no key either."""
    path = slide_path(slides.show(Slide("mine")))
    with browser(slides) as mine:
        assert mine.get(f"{path}/overview").status_code == 404
        empty = {"cookie": f"{COOKIE}="}
        assert mine.get(f"{path}/overview", headers=empty).status_code == 404


def test_the_page_may_say_hello_again(slides: ShownSlides) -> None:
    """After a change of page the same browser takes its slide up again."""
    path = slide_path(slides.show(Slide("mine")))
    with browser(slides) as mine:
        assert [mine.post(f"{path}/hello").status_code for _ in range(2)] == [204, 204]


def test_a_slide_that_was_let_go_of_is_gone(slides: ShownSlides) -> None:
    """The session has ended: what was cached at the browser is all there is."""
    address = slides.show(Slide("mine"))
    with browser(slides) as mine:
        mine.post(f"{slide_path(address)}/hello")
        slides.hide(address)
        assert mine.get(f"{slide_path(address)}/overview").status_code == 404
        assert mine.post(f"{slide_path(address)}/hello").status_code == 404


def test_addresses_cannot_be_guessed(slides: ShownSlides) -> None:
    """Each has 256 bits of chance."""
    addresses = {slides.show(Slide("mine")) for _ in range(100)}
    assert len(addresses) == 100
    assert all(re.fullmatch(r"[\w-]{43}", address) for address in addresses)


REFUSED = [
    pytest.param("tile/3/0/0", 404, id="no such level"),
    pytest.param("tile/9/0/0", 500, id="a slide that cannot be read any more"),
    pytest.param("tile/-1/0/0", 400, id="a negative level"),
    pytest.param("tile/0/0/01", 400, id="a number with a zero before it"),
    pytest.param("tile/0/0/1234567", 400, id="a number of too many digits"),
    pytest.param("tile/0/0/1e3", 400, id="no whole number"),
    pytest.param("tile/0/0/%C2%B2", 400, id="a digit of another script"),
    pytest.param("tile/0/0/0?x=1", 400, id="a parameter that tiles do not have"),
    pytest.param("tile/0/0", 404, id="a part of the place"),
    pytest.param("tile/0/0/0/0", 404, id="more than a place"),
    pytest.param("tile/..%2F..%2Fetc/0/0", 404, id="a path"),
    pytest.param("overview?name=x", 400, id="a parameter that the overview does not have"),
    pytest.param("cells", 400, id="no view"),
    pytest.param(f"cells?{LOOK}&name=x", 400, id="one parameter too many"),
    pytest.param(f"cells?{LOOK}&x=1", 400, id="a parameter twice"),
    pytest.param("cells?" + LOOK.replace("x=0.5&", ""), 400, id="a parameter is missing"),
    pytest.param("cells?" + LOOK.replace("0.5", "nan"), 400, id="not a number"),
    pytest.param("cells?" + LOOK.replace("0.5", "1e9"), 400, id="a number as others write it"),
    pytest.param("cells?" + LOOK.replace("0.5", "0_5"), 400, id="a number as Python writes it"),
    pytest.param("cells?" + LOOK.replace("100", "0"), 400, id="a view without a width"),
    pytest.param("cells?" + LOOK.replace("=100", "=900000"), 400, id="a view larger than screens"),
    pytest.param("cells?" + LOOK.replace("=0.25", "=1.01"), 400, id="a confidence above 1"),
    pytest.param("cells?" + LOOK.replace("number=1", "number=1.5"), 400, id="half a view"),
    pytest.param("label", 404, id="another part of the file"),
    pytest.param("", 404, id="nothing"),
]


@pytest.mark.parametrize(("asked", "status"), REFUSED)
def test_anything_but_its_own_parameters_is_refused(
    slides: ShownSlides, asked: str, status: int
) -> None:
    """And nothing of it reaches the slide."""
    slide = Slide("mine")
    path = slide_path(slides.show(slide))
    with browser(slides) as mine:
        mine.post(f"{path}/hello")
        answer = mine.get(f"{path}/{asked}")
    assert (answer.status_code, answer.content[:9]) in ((status, b""), (status, b"Not Found"))
    assert not slide.looks


METHODS = [("POST", "tile/0/0/0"), ("PUT", "overview"), ("DELETE", "cells"), ("GET", "hello")]


@pytest.mark.parametrize(("method", "asked"), METHODS)
def test_other_methods_are_refused(slides: ShownSlides, method: str, asked: str) -> None:
    """Nothing here can be changed from outside."""
    path = slide_path(slides.show(Slide("mine")))
    with browser(slides) as mine:
        assert mine.request(method, f"{path}/{asked}").status_code == 405


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_other_sites_are_refused(slides: ShownSlides, site: str) -> None:
    """A browser says where a request comes from: another site, or the address line."""
    path = slide_path(slides.show(Slide("mine")))
    with browser(slides) as mine:
        mine.post(f"{path}/hello")
        other = {"Sec-Fetch-Site": site}
        assert mine.get(f"{path}/overview", headers=other).status_code == 404
        assert mine.get(f"{path}/cells?{LOOK}", headers=other).status_code == 404


def test_cells_wait_for_news(slides: ShownSlides) -> None:
    """The answer comes when there is one, and the view was passed on at once."""
    slide = Slide("mine")
    path = slide_path(slides.show(slide))

    def later() -> None:
        while not slide.heard:
            time.sleep(0.01)
        slide.news = {"number": 1, "cells": [[1, 2, 3, 4]]}
        slide.heard[0]()

    with browser(slides) as mine:
        mine.post(f"{path}/hello")
        slide.news = None
        threading.Thread(target=later).start()
        assert mine.get(f"{path}/cells?{LOOK}").json()["cells"] == [[1, 2, 3, 4]]
    assert slide.looks == [AskedView(1, 0.5, -3.0, 100.0, 80.0, 0.5, -1, 0.25)]
    assert not slide.heard


def test_cells_do_not_wait_for_ever(slides: ShownSlides, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would close a connection that is silent."""
    monkeypatch.setattr(routes, "WAIT_S", 0.05)
    slide = Slide("mine")
    slide.news = None
    path = slide_path(slides.show(slide))
    with browser(slides) as mine:
        mine.post(f"{path}/hello")
        assert mine.get(f"{path}/cells?{LOOK}").json() == {}


def test_newest_wishes_come_first() -> None:
    """What was asked for last is on the screen; what was cancelled is not made."""
    queue = NewestFirst(threads=1)
    begun, go = threading.Event(), threading.Event()
    made: list[int] = []

    def hold() -> bytes:
        begun.set()
        go.wait(5)
        return b""

    def make(n: int) -> Callable[[], bytes]:
        return lambda: (made.append(n), b"%d" % n)[1]

    queue.submit(hold)
    begun.wait(5)
    wishes: list[Future[bytes]] = [queue.submit(make(n)) for n in range(4)]
    wishes[2].cancel()
    go.set()
    assert [wishes[n].result(5) for n in (0, 1, 3)] == [b"0", b"1", b"3"]
    assert made == [3, 1, 0]


def test_too_many_wishes_drop_the_oldest() -> None:
    """A browser that asks for everything holds nobody up for long."""
    queue = NewestFirst(threads=1, most_waiting=2)
    begun, go = threading.Event(), threading.Event()

    def hold() -> bytes:
        begun.set()
        go.wait(5)
        return b""

    queue.submit(hold)
    begun.wait(5)
    wishes = [queue.submit(lambda: b"") for _ in range(4)]
    go.set()
    wishes[3].result(5)
    assert [wish.cancelled() for wish in wishes] == [True, True, False, False]
