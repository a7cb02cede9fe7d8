"""Which picture an annotation of a Pascal VOC set is of."""

from __future__ import annotations

from pathlib import PurePosixPath

from allcell.data.folders import Tree, child
from allcell.data.unpaired import PictureMissingError
from allcell.data.zipped import DataPath, shown
from allcell.errors import DataError
from allcell.imaging.images import SUFFIXES


class VocPictures:
    """Finds the picture of an annotation.

    Args:
        data_dir: Folder of the set.
        split: Name of the split.
    """

    def __init__(self, data_dir: DataPath, split: str) -> None:
        images = child(data_dir, "images")
        self._data_dir = data_dir
        # Annotations in folders of their own have their pictures in the same ones.
        self._stems = {
            path: str(PurePosixPath(name).with_suffix(""))
            for name, path in Tree(child(data_dir, "Annotations")).files.items()
        }
        usual, data = child(data_dir, "JPEGImages"), child(data_dir, "data")
        self._places = [Tree(folder) for folder in (usual, images / split, images, data)]
        self._beside: dict[DataPath, Tree] = {}

    def called(self, path: DataPath) -> str:
        """What results call the picture of an annotation."""
        return self._stems.get(path, path.stem)

    def find(self, path: DataPath, filename: str) -> DataPath:
        """The picture of an annotation.

        Args:
            path: The annotation.
            filename: The picture's name as it gives it; may be empty.

        Raises:
            DataError: If it is not there, or it is not clear which one it is.
        """
        if path.parent not in self._beside:
            self._beside[path.parent] = Tree(path.parent)
        said = filename.replace("\\", "/").rpartition("/")[2]
        where = shown(path, self._data_dir)
        for stem in dict.fromkeys((self.called(path), path.stem, PurePosixPath(said).stem)):
            for place in (*self._places, self._beside[path.parent]):
                looks = (place.find(f"{stem}{suffix}") for suffix in SUFFIXES)
                found = list(dict.fromkeys(look for look in looks if look is not None))
                named = [image for image in found if image.name.lower() == said.lower()]
                if len(found) > 1 and len(named) != 1:
                    raise DataError(
                        f"{where} may be of {found[0].name} or {found[1].name}.",
                        "Keep one of them, or name it in the file: <filename>.",
                    )
                if found:
                    return (named or found)[0]
        raise PictureMissingError(
            f"The image of {where} is not in {self._data_dir.name}.",
            "Put it in JPEGImages/ or next to its labels.",
        )
