"""Many pictures of a session through one detector, read and measured in threads ahead of it."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing

from allcell.detector import Detector
from allcell.errors import AllcellError
from allcell.ui.field.outcomes import Finished, Refused
from allcell.ui.field.pictures import Picture, PictureMemory


def analyse_ahead(
    memory: PictureMemory, pictures: Sequence[Picture], detector: Detector
) -> Generator[Picture, None, None]:
    """Run a detector over pictures and keep each outcome, even if it is an error.

    The network runs in the script's own thread, in turns with those of other sessions.

    Args:
        memory: What the session knows about its pictures.
        pictures: They are answered in this order.
        detector: The model.

    Yields:
        Each picture whose outcome is known now.
    """
    # Imported here: it pulls in the statistics, which the first page need not wait for.
    from allcell.analysis import analyse_many, file_cautions, judged
    from allcell.analysis.finding import Seen
    from allcell.imaging.images import pixel_count

    took: dict[str, tuple[float, float]] = {}

    def see(picture: Picture) -> Seen:
        start = time.perf_counter()
        image = memory.image(picture)
        decoded = time.perf_counter()
        scale = memory.scale(picture)
        took[picture.id] = 1e3 * (decoded - start), 1e3 * (time.perf_counter() - decoded)
        about = file_cautions(picture.data)
        return judged(detector.spec, image, scale=scale, about=about)

    answers = analyse_many(
        detector,
        pictures,
        see,
        lambda picture: picture.name,
        pixels=lambda picture: pixel_count(picture.data),
        own_streams=False,
    )
    with closing(answers):
        for picture, answer in answers:
            outcome: Finished | Refused
            if isinstance(answer, AllcellError):
                outcome = Refused(picture.name, answer.message, answer.remedy)
            else:
                outcome = Finished(answer[1], *took.pop(picture.id), detector.engine.description)
            memory.keep(picture, detector.spec.name, outcome)
            yield picture
