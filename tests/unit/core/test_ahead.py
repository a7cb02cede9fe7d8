"""Work ahead of the one who takes the answers: in order, bounded, and ended with him."""

import threading
import time

import pytest

from allcell.ahead import in_order
from allcell.errors import ImageError


def square(item):
    if item < 0:
        raise ImageError("It is bad.", "Take another.")
    return item * item


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("items", "answers"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([3], [9], id="one"),
        pytest.param(range(20), [n * n for n in range(20)], id="more than threads"),
        pytest.param([1, -1, 2], [1, "It is bad. Take another.", 4], id="a bad one in the middle"),
        pytest.param([-1, -1], ["It is bad. Take another."] * 2, id="nothing but bad ones"),
    ],
)
def test_answers_come_in_order(workers, items, answers):
    found = list(in_order(items, square, workers=workers))
    assert [item for item, _ in found] == list(items)
    assert [a if isinstance(a, int) else str(a) for _, a in found] == answers


def test_the_first_is_waited_for_though_later_ones_are_done():
    later = threading.Event()

    def work(item):
        if item == 0:
            assert later.wait(10)
        else:
            later.set()
        return item

    assert [answer for _, answer in in_order(range(5), work, workers=2)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("costs", "most", "held"),
    [
        pytest.param([1] * 12, 100, 6, id="the threads', two and the one in use"),
        pytest.param([10] * 12, 25, 20, id="no more pixels than allowed"),
        pytest.param([10, 90, 10, 10], 25, 100, id="a large one beside the one in use only"),
    ],
)
def test_what_is_held_is_bounded(costs, most, held):
    lock, begun, taken, worst = threading.Lock(), [], [], []

    def work(place):
        with lock:
            begun.append(place)
            now = sum(costs[n] for n in begun) - sum(costs[n] for n in taken[:-1])
            worst.append(now)
        return place

    for place, _ in in_order(
        range(len(costs)), work, workers=3, cost=lambda n: costs[n], most=most
    ):
        taken.append(place)
        time.sleep(0.005)
    assert sorted(begun) == list(range(len(costs)))
    assert max(worst) <= held


def test_closing_it_early_ends_the_work():
    begun, running, told = [], threading.Event(), threading.Event()
    before = threading.enumerate()

    def work(item):
        begun.append(item)
        if item:
            running.set()
            assert told.wait(10), "nobody told it to give up"
        return item

    answers = in_order(range(100), work, workers=2, give_up=told.set)
    assert next(answers) == (0, 0)
    assert running.wait(10)
    answers.close()
    assert len(begun) <= 5
    ours = [t for t in threading.enumerate() if t not in before]
    assert not [t for t in ours if t.name.startswith("allcell-ahead")]


def test_an_error_that_is_not_ours_is_raised_in_its_place():
    def work(item):
        return 1 // item

    answers = in_order([1, 0, 1], work, workers=2)
    assert next(answers) == (1, 1)
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_a_single_worker_is_the_callers_own_thread():
    found = in_order([0], lambda _: threading.get_ident(), workers=1)
    assert [answer for _, answer in found] == [threading.get_ident()]
