"""From a picture to its result: what every page, command and evaluation calls."""

from allcell.analysis.answers import (
    Analysis,
    analyse,
    analyse_many,
    judged,
    picture_cautions,
)
from allcell.analysis.files import file_cautions

__all__ = [
    "Analysis",
    "analyse",
    "analyse_many",
    "file_cautions",
    "judged",
    "picture_cautions",
]
