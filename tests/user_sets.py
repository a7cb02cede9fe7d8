"""Small labelled sets of rendered fields, as ZIPs, for the tests of the user's own data."""

import io
import json
import zipfile
from functools import lru_cache

from allcell.data.labelled_sets import find_set
from allcell.data.zipped import open_zip
from allcell.imaging.images import encode_png
from allcell.synth import FieldSpec, render

#: What somebody else might call our classes.
NAMES = ("lymphoblast", "WBC", "basket cell")


@lru_cache(maxsize=8)
def fields(count):
    """Rendered fields with their truth: PNG bytes, and the field."""
    made = []
    for seed in range(count):
        spec = FieldSpec(
            480, 360, red_cell_px=24, seed=seed, blasts=3, neutrophils=2, lymphocytes=1, smudges=1
        )
        field = render(spec)
        made.append((encode_png(field.image), field))
    return tuple(made)


def packed(files, method=zipfile.ZIP_DEFLATED):
    """A ZIP of files by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def coco_files(count=3, split="test"):
    """A COCO set, by file name."""
    made = fields(count)
    annotations = [
        {
            "image_id": n,
            "category_id": int(kind) + 1,
            "bbox": [float(v) for v in (x1, y1, x2 - x1, y2 - y1)],
        }
        for n, (_, field) in enumerate(made)
        for (x1, y1, x2, y2), kind in zip(field.truth.xyxy, field.truth.class_id, strict=True)
    ]
    content = {
        "images": [{"id": n, "file_name": f"field_{n}.png"} for n in range(count)],
        "categories": [{"id": n + 1, "name": name} for n, name in enumerate(NAMES)],
        # From 1 on: pycocotools takes a cell of id 0 for one that was not found.
        "annotations": [{"id": n, **item} for n, item in enumerate(annotations, 1)],
    }
    files = {f"images/field_{n}.png": png for n, (png, _) in enumerate(made)}
    return {f"annotations/instances_{split}.json": json.dumps(content), **files}


@lru_cache(maxsize=8)
def coco_zip(count=3):
    """The same in a ZIP, in one top folder, as file managers pack it."""
    return packed({f"smears/{name}": content for name, content in coco_files(count).items()})


def coco_folder(count=3):
    """The same, opened."""
    return find_set(open_zip(coco_zip(count), "smears.zip"))


def yolo_files():
    """A YOLO set of one field with one box, whose `data.yaml` names classes without any."""
    ((png, _),) = fields(1)
    return {
        "data.yaml": "names: [RBC 2, lymphoblast, type 7]\n",
        "images/test/a.png": png,
        "labels/test/a.txt": "1 0.5 0.5 0.2 0.2\n",
    }
