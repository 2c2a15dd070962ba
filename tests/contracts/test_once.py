"""What is found out once is found out by one thread, however many ask."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lightning_pose.contracts.once import Once


def test_threads_wait_for_what_another_is_about_to_find_out() -> None:
    asked: list[int] = []

    @Once
    def slow(number: int) -> int:
        """Take a moment."""
        asked.append(number)
        time.sleep(0.05)
        return 2 * number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(slow, [1, 2] * 4)) == [2, 4] * 4
    assert sorted(asked) == [1, 2]
    assert (slow.__name__, slow.__doc__) == ("slow", "Take a moment.")
    slow.cache_clear()
    assert slow(1) == slow(1) == 2
    assert sorted(asked) == [1, 1, 2]


def test_what_is_known_is_told_while_something_else_is_found_out() -> None:
    told: list[int] = []

    @Once
    def of(number: int) -> int:
        if number:
            other = threading.Thread(target=lambda: told.append(of(0)), daemon=True)
            other.start()
            other.join(timeout=20)
        return number + 1

    assert of(0) == 1
    assert of(5) == 6
    assert told == [1]


def test_errors_are_raised_each_time() -> None:
    asked: list[int] = []

    @Once
    def broken(number: int) -> int:
        asked.append(number)
        raise ValueError("as it should")

    for _ in range(2):
        with pytest.raises(ValueError, match="as it should"):
            broken(3)
    assert asked == [3, 3]
