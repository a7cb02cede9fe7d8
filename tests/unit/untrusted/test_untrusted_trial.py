"""Untrusted files are tried in a child process, so that they cannot harm the server."""

import signal
import subprocess
import sys
import time

import pytest

from allcell.benchmark import resident_mb
from allcell.errors import ModelError
from allcell.untrusted import trial as untrusted_trial
from allcell.untrusted.network import UntrustedNetwork
from allcell.untrusted.trial import MOST_MEMORY_BYTES, try_apart
from tests.untrusted_graphs import SIDE, anchor_free, endless, graph, greedy

pytestmark = pytest.mark.child

TOO_MANY = MOST_MEMORY_BYTES // 4 + 1


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
@pytest.mark.parametrize("when_run", [False, True])
def test_a_small_file_that_asks_for_all_memory_is_refused(when_run):
    before = resident_mb()
    with pytest.raises(ModelError, match="asks for more than 3 GB of memory") as refused:
        UntrustedNetwork.open(greedy(TOO_MANY, when_run=when_run))
    assert "smaller" in refused.value.remedy
    assert resident_mb() - before < 100


def test_one_that_asks_for_a_little_is_not():
    assert UntrustedNetwork.open(greedy(1000, when_run=True)).output_shape == anchor_free().shape


def test_a_process_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(untrusted_trial, "_LONGEST_S", 2.0)
    start = time.perf_counter()
    with pytest.raises(ModelError, match="not answered within 2 s"):
        UntrustedNetwork.open(endless())
    assert time.perf_counter() - start < 10


def test_a_process_that_crashes_takes_nobody_along(monkeypatch, tmp_path):
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    with pytest.raises(ModelError, match="which crashed") as refused:
        UntrustedNetwork.open(graph(anchor_free(), metadata={"crashes": "yes"}))
    assert refused.value.remedy


def test_its_words_are_those_of_the_check():
    with pytest.raises(ModelError, match="takes 4 pictures at a time") as refused:
        try_apart(graph(anchor_free(), batch=4), None, 1)
    assert refused.value.remedy == "Export it with batch=1."


def test_what_went_well_is_not_tried_again(monkeypatch):
    content = graph(anchor_free(), metadata={"tried": "once"})
    UntrustedNetwork.open(content)
    monkeypatch.setattr(untrusted_trial, "_run", lambda *_: {"message": "again", "remedy": ""})
    for size in (None, (SIDE, SIDE)):
        UntrustedNetwork.open(content, input_px=size)
    with pytest.raises(ModelError, match="again"):
        UntrustedNetwork.open(graph(anchor_free(), metadata={"tried": "never"}))


def test_a_known_file_does_not_wait_for_the_trial_of_another(monkeypatch):
    content = graph(anchor_free(), metadata={"known": "yes"})
    UntrustedNetwork.open(content)
    monkeypatch.setattr(untrusted_trial, "_LONGEST_S", 0.2)
    with untrusted_trial._TURN:
        UntrustedNetwork.open(content)
        with pytest.raises(ModelError, match="Other networks are being tried"):
            UntrustedNetwork.open(graph(anchor_free(), metadata={"known": "no"}))


def test_no_process_can_be_started(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(ModelError, match="No process could be started"):
        UntrustedNetwork.open(graph(anchor_free(), metadata={"started": "no"}))


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="no alarm on this system")
def test_it_ends_by_itself_if_nobody_waits_for_it():
    child = subprocess.run(
        [sys.executable, "-m", "allcell.untrusted.child", str(MOST_MEMORY_BYTES), "2", "1"],
        input=endless(),
        timeout=20,
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGALRM
