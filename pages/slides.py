"""Slides: move over a whole slide, and every section answers at once."""

from allcell.ui.shell.frame import require_frame

require_frame()
# Imported only now: readers of slides take a moment that other pages need not wait for.
from allcell.ui.slides.page import slides_page  # noqa: E402

slides_page()
