"""A call that is late is interrupted; polls and answers start its time anew."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from irltui.engine.timelimit import Late, TimeLimit

SHORT, LONG = 0.05, 0.8


def hang() -> None:
    time.sleep(30)


def test_a_late_call_is_interrupted_and_its_place_is_told() -> None:
    began = time.monotonic()
    with pytest.raises(Late) as caught, TimeLimit(SHORT):
        hang()
    assert time.monotonic() - began < 10
    assert caught.value.place.startswith("test_timelimit.py:")


def hang_stubbornly() -> None:
    while True:
        try:
            hang()
        except Exception:  # noqa: BLE001 - as a plugin may
            continue


def test_a_call_that_swallows_exceptions_is_interrupted_all_the_same() -> None:
    with pytest.raises(Late), TimeLimit(SHORT):
        hang_stubbornly()


def test_what_is_done_in_a_poll_takes_no_time_and_a_poll_starts_the_time_anew() -> None:
    limit = TimeLimit(LONG)
    polled = iter((LONG * 1.2, 0, 0, 0))
    poll = limit.outside(lambda: time.sleep(next(polled)))
    with limit:
        poll()
        for _ in range(3):
            time.sleep(LONG * 0.4)
            poll()


def test_a_call_inside_a_call_gives_the_outer_one_its_time_back() -> None:
    limit = TimeLimit(LONG)
    with limit:
        for _ in range(3):
            with limit:
                time.sleep(LONG * 0.4)
    time.sleep(LONG * 1.2)  # nothing is left behind
    with pytest.raises(Late), limit:
        after_another(limit)


def after_another(limit: TimeLimit) -> None:
    with limit:
        pass
    hang()


def test_zero_waits_for_ever_and_so_does_another_thread() -> None:
    problems: list[BaseException] = []

    def work() -> None:
        try:
            with TimeLimit(SHORT / 10):
                time.sleep(SHORT)
        except BaseException as error:  # noqa: BLE001 - told to the test
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with TimeLimit(0.0):
        time.sleep(SHORT)
    assert problems == []


STUCK = """
import itertools
from irltui.engine import timelimit
timelimit.GRACE = 0.2
def stuck_in_c():
    sum(itertools.repeat(0))
with timelimit.TimeLimit(0.1):
    stuck_in_c()
"""


def test_a_call_that_never_comes_back_to_python_ends_the_process_with_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, check=False, timeout=25)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "in stuck_in_c" in done.stderr
