"""The routes of slides: tiles, the overview, and the cells of a view, for one browser each.

    POST SLIDE/hello                   the key to the slide, as a cookie; for the first browser only
    GET  SLIDE/overview                the whole slide, small
    GET  SLIDE/fitness                 where it is fit for counting
    GET  SLIDE/tile/LEVEL/COLUMN/ROW   a tile
    GET  SLIDE/cells?...               the cells of a view (see `AskedView`), as soon as any are new

Anything else is refused, as is a request of another site.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from allcell.errors import AllcellError
from allcell.ui.tiles.newest_first import tile_threads
from allcell.ui.tiles.shown import SHOWN, AskedView, ShownSlide, ShownSlides

log = logging.getLogger(__name__)

#: Where the slides are, below the base path of the server.
PREFIX = "allcell/slides"
COOKIE = "allcell_slide"
#: A question for cells that has no answer is answered with nothing after this time; proxies close a
#: connection that is silent for a minute.
WAIT_S = 20.0
#: A tile never changes; the address ends with the session.
_CACHED = "private, max-age=86400, immutable"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}")
_DECIMAL = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,10})?")
#: Larger numbers in a question are not of a screen or of a slide.
_LARGEST = 1e9
#: A side of the largest screen; more would let one question ask for hours of work.
_LARGEST_SCREEN_PX = 20_000
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_LOOK = ("number", "x", "y", "width", "height", "scale", "after", "lowest")
_WHOLE = ("number", "after")


def slide_path(address: str, base_path: str = "") -> str:
    """Where a browser finds a slide: the path, without a slash at its end.

    Args:
        address: See `ShownSlides.show`.
        base_path: The server's (`server.baseUrlPath`).
    """
    base = base_path.strip("/")
    return f"/{base}/{PREFIX}/{address}" if base else f"/{PREFIX}/{address}"


def slide_routes(base_path: str = "", slides: ShownSlides = SHOWN) -> list[BaseRoute]:
    """The routes, for the list of a server.

    Args:
        base_path: The server's (`server.baseUrlPath`).
        slides: What is shown.
    """

    def for_owner(answer: Callable[[Request, ShownSlide], Awaitable[Response]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            found = slides.find(request.path_params["address"], request.cookies.get(COOKIE))
            # The same answer whether it is somebody else's, over, or never was.
            if found is None or not _of_this_site(request):
                return _refusal(404)
            return await answer(request, found)

        return endpoint

    async def hello(request: Request) -> Response:
        address = request.path_params["address"]
        has = request.cookies.get(COOKIE)
        key = slides.hello(address, has) if _of_this_site(request) else None
        if key is None or request.query_params:
            return _refusal(404)
        answer = Response(status_code=204, headers=_HEADERS | {"Cache-Control": "no-store"})
        secure = request.url.scheme == "https"
        path = slide_path(address, base_path)
        answer.set_cookie(COOKIE, key, path=path, httponly=True, samesite="strict", secure=secure)
        return answer

    routes = [
        Route("/{address}/hello", hello, methods=["POST"]),
        Route("/{address}/overview", for_owner(_overview), methods=["GET"]),
        Route("/{address}/fitness", for_owner(_fitness), methods=["GET"]),
        Route("/{address}/tile/{level}/{column}/{row}", for_owner(_tile), methods=["GET"]),
        Route("/{address}/cells", for_owner(_cells), methods=["GET"]),
    ]
    return [Mount(slide_path("", base_path).rstrip("/"), routes=routes)]


Endpoint = Callable[[Request], Awaitable[Response]]


def _refusal(status: int) -> Response:
    return Response(status_code=status, headers=_HEADERS | {"Cache-Control": "no-store"})


def _of_this_site(request: Request) -> bool:
    """Whether the app's own page asks; browsers say so, and scripts cannot change what they say."""
    return request.headers.get("sec-fetch-site", "same-origin") == "same-origin"


async def _overview(request: Request, slide: ShownSlide) -> Response:
    if request.query_params:
        return _refusal(400)
    return await _made(request, slide.overview, "image/jpeg")


async def _fitness(request: Request, slide: ShownSlide) -> Response:
    if request.query_params:
        return _refusal(400)
    try:
        found = await asyncio.to_thread(slide.fitness)
    except AllcellError as error:
        log.warning("A slide could not be mapped: %s", error.message)
        return _refusal(500)
    return JSONResponse(found, headers=_HEADERS | {"Cache-Control": "no-store"})


async def _tile(request: Request, slide: ShownSlide) -> Response:
    place = [request.path_params[name] for name in ("level", "column", "row")]
    if request.query_params or not all(map(_NUMBER.fullmatch, place)):
        return _refusal(400)
    level, column, row = map(int, place)
    return await _made(request, lambda: slide.tile(level, column, row), "application/octet-stream")


async def _made(request: Request, make: Callable[[], bytes], media_type: str) -> Response:
    """A picture that is made unless the browser gives it up before its turn comes."""
    wish = tile_threads().submit(make)
    if not await _unless_gone(request, wish):
        return _refusal(499)
    try:
        made = wish.result()
    except LookupError:
        return _refusal(404)
    except AllcellError as error:
        log.warning("A tile could not be read: %s", error.message)
        return _refusal(500)
    except Exception:
        log.exception("A tile could not be made.")
        return _refusal(500)
    return Response(made, media_type=media_type, headers=_HEADERS | {"Cache-Control": _CACHED})


async def _unless_gone(request: Request, wish: Future[bytes]) -> bool:
    """Wait until a wish is done; cancelled if the browser gives up, and false then."""
    done = asyncio.wrap_future(wish)
    gone = asyncio.ensure_future(_gone(request))
    either: set[asyncio.Future[Any]] = {done, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not done.done():
        done.cancel()
    elif not done.cancelled():
        done.exception()  # looked at here, or asyncio would log it; the caller has it from the wish
        return True
    return False


async def _gone(request: Request) -> None:
    """Return when the browser has closed the connection or given up the request."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _cells(request: Request, slide: ShownSlide) -> Response:
    look = _look_of(request)
    if look is None:
        return _refusal(400)
    loop = asyncio.get_running_loop()
    news = asyncio.Event()

    def heard() -> None:
        with suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(news.set)

    gone = asyncio.ensure_future(_gone(request))
    until_s = loop.time() + WAIT_S
    try:
        with slide.listening(heard):
            slide.look(look)
            while (answer := await asyncio.to_thread(slide.answer, look)) is None:
                left_s = until_s - loop.time()
                waiting = asyncio.ensure_future(news.wait())
                either: set[asyncio.Future[Any]] = {waiting, gone}
                await asyncio.wait(
                    either, timeout=max(left_s, 0), return_when=asyncio.FIRST_COMPLETED
                )
                waiting.cancel()
                news.clear()
                if gone.done() or left_s <= 0:
                    answer = {}
                    break
    finally:
        gone.cancel()
    return JSONResponse(answer, headers=_HEADERS | {"Cache-Control": "no-store"})


def _look_of(request: Request) -> AskedView | None:
    """The view in a question; None if it is not exactly that."""
    asked = request.query_params.multi_items()
    if sorted(name for name, _ in asked) != sorted(_LOOK):
        return None
    if not all(_DECIMAL.fullmatch(value) for _, value in asked):
        return None
    given = {name: float(value) for name, value in asked}
    if any(given[name] != int(given[name]) for name in _WHOLE) or given["number"] < 0:
        return None
    if max(map(abs, given.values())) > _LARGEST or not 0 <= given["lowest"] <= 1:
        return None
    sides = (given["width"], given["height"])
    if min(*sides, given["scale"]) <= 0 or max(sides) * given["scale"] > _LARGEST_SCREEN_PX:
        return None
    return AskedView(number=int(given.pop("number")), after=int(given.pop("after")), **given)
