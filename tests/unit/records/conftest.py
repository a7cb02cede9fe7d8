"""The records on SQLite and, where it is installed, on a real PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from allcell.records.kept import Actor
from allcell.records.store import CaseStore
from allcell.review.case_review import CaseReview
from allcell.review.labels import LabelSet, suggested_own
from allcell.review.suggestions import picture_hash
from tests import postgres
from tests.review_cases import NOON, WHO, field


@pytest.fixture(scope="session")
def postgres_server():
    if reason := postgres.why_none():
        pytest.skip(reason)
    with postgres.server() as fresh:
        yield fresh


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.child, pytest.mark.slow]),
    ]
)
def url(request):
    """Address of an empty database."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_server")()


class Clock:
    """Says a time that a test sets; each look takes a second."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stores(url, tmp_path, clock):
    """Opens the records, as often as a test has servers."""
    opened = []

    def another():
        opened.append(CaseStore(tmp_path / "data", url, clock=clock))
        return opened[-1]

    yield another
    for store in opened:
        store.database.close()


@pytest.fixture
def store(stores):
    return stores()


@pytest.fixture
def me():
    return Actor(WHO)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)


def pictured(seed, name="a", **changed):
    """A field and its picture."""
    image = picture(seed)
    one = field(name, width_px=64, height_px=48, **changed)
    return replace(one, sha256=picture_hash(image)), image


@pytest.fixture
def two_fields():
    """A review of two pictures, and the pictures by hash."""
    first, image = pictured(1)
    second, other = pictured(2, "b")
    review = CaseReview(LabelSet(suggested_own()), (first, second))
    return review, {first.sha256: image, second.sha256: other}
