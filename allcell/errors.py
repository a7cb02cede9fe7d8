"""What can go wrong, each with a message a clinician understands and what to do about it."""


class AllcellError(Exception):
    """Base of every error that allcell raises on purpose.

    Attributes:
        message: What was got and what was expected, in one plain sentence.
        remedy: What the user can do now; may be empty.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message} {remedy}".strip())


class ImageError(AllcellError):
    """A picture cannot be read or is outside the limits."""


class ModelError(AllcellError):
    """A model, its weights or its output do not fit."""


class DeviceError(AllcellError):
    """The requested device or runtime is not available."""


class DataError(AllcellError):
    """A dataset or an annotation file does not fit."""


class SettingError(AllcellError):
    """A setting in the environment has a value that cannot be used."""


class ReviewError(AllcellError):
    """A correction, a class of one's own or a signature cannot be taken."""


class RecordError(AllcellError):
    """A case cannot be kept, found or changed."""


class TeachingError(AllcellError):
    """A laboratory cannot be taught with these fields, or a teaching cannot go on."""


class SlideError(AllcellError):
    """A slide cannot be opened or read."""


class NeedsPyramid(SlideError):  # noqa: N818
    """A picture is too large to look at without smaller copies of it, which can be made."""
