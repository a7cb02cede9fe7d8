"""A slide that a session has open: its tiles, its search, and the end of both."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from allcell.cautions import WITHHELD
from allcell.detector import Detector
from allcell.errors import SlideError
from allcell.imaging.images import encode_jpeg
from allcell.scanning.looking import Looking
from allcell.scanning.views import ScreenView
from allcell.slides.copies import folder_of
from allcell.slides.fitness import NAMES, FitnessMap, map_fitness
from allcell.slides.readers.tiff import TiffSlide
from allcell.slides.reading import read_scaled, thumbnail
from allcell.slides.rulers import SlideRulers
from allcell.slides.slide import Slide
from allcell.ui.field.lru import Lru
from allcell.ui.sessions.ledger import Held
from allcell.ui.slides.words import answer_of
from allcell.ui.tiles.packed import packed
from allcell.ui.tiles.shown import SHOWN, AskedView

log = logging.getLogger(__name__)

#: Side of a tile on the screen: a dozen fill it, and one is made in some 10 ms.
TILE_PX = 512
#: Smaller tiles of a slide would be too many to send as they are.
_LEAST_STORED_PX = 128
#: Longer side of the overview, which also stands behind tiles that have not come yet.
OVERVIEW_PX = 1024
_QUALITY = 85
#: Tiles kept by the server for one slide; the browser keeps its own, and decoded ones besides.
_MOST_TILES, _MOST_TILE_BYTES = 512, 24 * 2**20


@dataclass(frozen=True)
class Destination:
    """Where the view is to go.

    Attributes:
        number: The view moves when this number changes.
        x: To this place in pixels of the slide, which comes to the middle.
        y: The same, downwards.
        scale: Pixels of the screen for one of the slide; None leaves it as it is.
    """

    number: int
    x: float
    y: float
    scale: float | None


class OpenedSlide:
    """A slide that a session has open: what the routes of tiles ask.

    Args:
        slide: The slide.
        title: What it is called on the page.
        path: Its file if that stays when the session ends; None for an upload.
        synthetic: Whether it was rendered, which is then said.
        folder: Goes with it; None if its file is not ours.

    Attributes:
        address: Where the browser finds it (see `ShownSlides`).
        rulers: Size and colour of its red cells.
        levels: Levels of tiles: the finest is the slide's, each next is half as large.
        place: Where the view was sent last (see `go_to`).
    """

    def __init__(
        self,
        slide: Slide,
        title: str,
        *,
        path: Path | None = None,
        synthetic: bool = False,
        folder: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self.slide = slide
        self.title = title
        self.path = path
        self.synthetic = synthetic
        self.place: Destination | None = None
        self.rulers = SlideRulers()
        self.levels = 1 + max(0, math.ceil(math.log2(max(slide.size_px) / TILE_PX)))
        self._folder = folder
        self._tiles: Lru[tuple[int, int, int], bytes] = Lru(_MOST_TILES, _MOST_TILE_BYTES, len)
        self._overview: bytes | None = None
        self._lock = threading.Lock()
        self._looking: Looking | None = None
        self._expected = ""
        self._listeners: set[Callable[[], None]] = set()
        self._mapping = threading.Lock()
        self._map: FitnessMap | None = None
        self._closed = False
        self.address = SHOWN.show(self)

    # --- of the page --------------------------------------------------------------------------

    @property
    def uploaded(self) -> bool:
        """Whether it is a file that the user sent."""
        return self._folder is not None

    @property
    def looking(self) -> Looking | None:
        """The search of what is shown; None before a model is ready."""
        with self._lock:
            return self._looking

    def expect(self, model: str) -> None:
        """Answer nothing until this model looks: what another one found is not to be shown as its.

        Args:
            model: Its name.
        """
        self._expected = model

    def look_with(self, detector: Detector) -> None:
        """Search with this model from now on; what another one found is let go of."""
        with self._lock:
            old = self._looking
            if self._closed or (old is not None and _is_same(old.detector, detector)):
                return
            self._looking = Looking(self.slide, detector, self.rulers, self._tell)
        if old is not None:
            old.close()
        self._tell()

    def go_to(self, x: float, y: float) -> None:
        """Bring a place to the middle of the view, in its next run large enough to tell its cells.

        Args:
            x: In pixels of the slide's finest level.
            y: The same, downwards.
        """
        looking = self.looking
        scale = None
        if looking is not None and not looking.progress().near:
            scale = 2 * looking.least_scale
        self.place = Destination(1 if self.place is None else self.place.number + 1, x, y, scale)

    # --- `ShownSlide` -------------------------------------------------------------------------

    def tile(self, level: int, column: int, row: int) -> bytes:
        """See `ShownSlide.tile`; of the slide at a scale of 2 ** -level."""
        step = TILE_PX << level if level < self.levels else 0
        width, height = self.slide.size_px
        x, y = column * step, row * step
        if not step or x >= width or y >= height:
            raise LookupError(f"no tile {level}/{column}/{row}")
        known = self._tiles.get((level, column, row)) or self._stored(level, column, row)
        if known is None:
            part = (min(step, width - x), min(step, height - y))
            image = read_scaled(self.slide, x, y, *part, 0.5**level)
            known = packed([encode_jpeg(image, quality=_QUALITY)])
            self._tiles.put((level, column, row), known)
        return known

    def _stored(self, level: int, column: int, row: int) -> bytes | None:
        """A tile out of the slide's own, which need not be decoded and encoded again, if it can."""
        slide = self.slide
        if not isinstance(slide, TiffSlide):
            return None
        same = (n for n, at in enumerate(slide.levels) if at.downsample == 2**level)
        stored = next(same, None)
        side = None if stored is None else slide.jpeg_side(stored)
        if stored is None or side is None or not _LEAST_STORED_PX <= side <= TILE_PX:
            return None
        across, rest = divmod(TILE_PX, side)
        if rest:
            return None
        pieces = [
            slide.jpeg_at(stored, across * column + right, across * row + down)
            for down in range(across)
            for right in range(across)
        ]
        whole = [piece for piece in pieces if piece is not None]
        return packed(whole) if len(whole) == len(pieces) else None

    def overview(self) -> bytes:
        """See `ShownSlide.overview`."""
        if self._overview is None:
            self._overview = encode_jpeg(thumbnail(self.slide, OVERVIEW_PX), quality=_QUALITY)
        return self._overview

    def fitness(self) -> Mapping[str, object]:
        """See `ShownSlide.fitness`: squares row by row, each the number of its name."""
        with self._mapping:
            if self._map is None:
                self._map = map_fitness(self.slide, self.rulers, stop=lambda: self._closed)
        found = self._map
        return {
            "names": NAMES,
            "columns": found.columns,
            "square": found.square_px,
            "shares": [round(share, 4) for share in found.shares().values()],
            "codes": found.codes.ravel().tolist(),
        }

    def look(self, look: AskedView) -> None:
        """See `ShownSlide.look`."""
        if (looking := self.looking) is not None:
            looking.set_view(
                ScreenView(look.number, look.x, look.y, look.width, look.height, look.scale)
            )

    def answer(self, look: AskedView) -> Mapping[str, object] | None:
        """See `ShownSlide.answer`."""
        looking = self.looking
        if looking is None or looking.detector.spec.name != self._expected:
            return {} if self._closed else None
        if looking.view is None:
            # The model came after the question.
            self.look(look)
        return answer_of(looking, look, kinds_of(looking.detector))

    @contextmanager
    def listening(self, heard: Callable[[], None]) -> Iterator[None]:
        """See `ShownSlide.listening`."""
        with self._lock:
            self._listeners.add(heard)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.discard(heard)

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for heard in listeners:
            heard()

    # --- see `Holder`, of which the desk is one -------------------------------------------------

    def holds(self) -> list[Held]:
        """The tiles that are kept."""
        return list(self._tiles.copy().values())

    def spare(self) -> None:
        """Let go of the tiles, which can be made again."""
        self._tiles.clear()

    def close(self) -> None:
        """End the search and let go of the file; may be called twice."""
        SHOWN.hide(self.address)
        with self._lock:
            self._closed = True
            looking, self._looking = self._looking, None
            folder, self._folder = self._folder, None
        if looking is not None:
            looking.close()
        self._tell()
        self.slide.close()
        self._tiles.clear()
        if folder is not None:
            # Nor do its smaller copies stay, if any were made.
            with suppress(SlideError, OSError):
                for file in Path(folder.name).iterdir():
                    shutil.rmtree(folder_of(file), ignore_errors=True)
            folder.cleanup()


def _is_same(one: Detector, other: Detector) -> bool:
    return one.spec.name == other.spec.name and one.weights_sha256 == other.weights_sha256


def kinds_of(detector: Detector) -> tuple[str, ...]:
    """Names of the classes as the browser numbers them."""
    return (*detector.spec.classes, WITHHELD)
