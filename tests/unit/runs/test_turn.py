"""Heavy runs take turns."""

import threading

import pytest

from allcell.runs.turn import turn


class GaveUpError(Exception):
    """Of somebody who waits no longer."""


def runner(name, log, gate, waits):
    def work():
        with turn(waits.set):
            log.append(f"{name} begins")
            gate.wait(10)
            log.append(f"{name} ends")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_who_came_first_has_the_first_turn():
    log, gate = [], threading.Event()
    threads = []
    with turn(lambda: pytest.fail("nobody was there")):
        for name in "abc":
            waits = threading.Event()
            threads.append(runner(name, log, gate, waits))
            assert waits.wait(10)
        assert not log
        gate.set()
    for thread in threads:
        thread.join(10)
    assert log == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


def test_who_gives_up_keeps_nobody_waiting():
    def give_up():
        raise GaveUpError

    with turn(lambda: None), pytest.raises(GaveUpError), turn(give_up):
        pytest.fail("two at once")
    with turn(lambda: pytest.fail("it still waits")):
        pass


def test_an_error_ends_the_turn():
    with pytest.raises(ZeroDivisionError), turn(lambda: None):
        raise ZeroDivisionError
    with turn(lambda: pytest.fail("it still has its turn")):
        pass
