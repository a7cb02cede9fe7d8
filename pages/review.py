"""Review: every suggested cell looked at, corrected, counted, signed and taken away."""

from allcell.ui.shell.frame import require_frame

require_frame()
# Imported only now: records and statistics take a second that other pages need not wait for.
from allcell.ui.review.page import review_page  # noqa: E402

review_page()
