"""What decoders print is counted, and nothing else that a process prints is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import atexit, ctypes, os, sys, threading
from lightning_pose.video.nvdec_errors import ERRORS

library = ctypes.CDLL(None)

def say(text):
    library.printf(b"%s", text)

def error(number):
    library.printf(b"Decode Error occurred for picture %d\\n", number)
"""
COUNTED = """
say(b"before, ")
assert ERRORS.count() == 0
with ERRORS.listening(), ERRORS.listening():
    error(7)
    say(b"no line, ")
    error(8)
    assert ERRORS.count() == 2
    assert ERRORS.count() == 2
    say(b"not read, ")
say(b"after")
assert ERRORS.count() == 2
"""
MANY = """
def often():
    with ERRORS.listening():
        for number in range(50):
            error(number)
            say(b"x" * 100)
many = [threading.Thread(target=often) for _ in range(8)]
with ERRORS.listening():
    for thread in many:
        thread.start()
    while any(thread.is_alive() for thread in many):
        ERRORS.count()
assert ERRORS.count() == 400
"""
FORKED = """
with ERRORS.listening():
    error(1)
    say(b"parent, ")
    child = os.fork()
    if child == 0:
        assert ERRORS.count() == 0
        with ERRORS.listening():
            error(1)
            error(2)
            assert ERRORS.count() == 2
        say(b"child, ")
        sys.exit(0)
    os.waitpid(child, 0)
    assert ERRORS.count() == 1
say(b"parent")
"""
AT_THE_END = """
atexit.register(say, b"late, ")
ERRORS.listening().__enter__()
say(b"early, ")
"""


def printed(code: str) -> str:
    command = [sys.executable, "-c", BEGIN + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


def test_lines_of_decoders_are_counted_and_all_else_is_handed_on() -> None:
    assert printed(COUNTED) == "before, no line, not read, after"


def test_threads_may_print_and_listen_at_a_time() -> None:
    assert printed(MANY) == "x" * (8 * 50 * 100)


def test_a_forked_process_counts_for_itself() -> None:
    assert sorted(printed(FORKED).split(", ")) == ["child", "parent", "parent"]


@pytest.mark.parametrize("first", ["", "import lightning_pose.video.nvdec_errors\n"])
def test_what_is_printed_at_the_end_is_not_lost(first: str) -> None:
    assert sorted(printed(first + AT_THE_END).split(", ")) == ["", "early", "late"]


def test_without_a_standard_output_all_is_as_usual() -> None:
    code = BEGIN + "os.close(1)\nwith ERRORS.listening():\n    error(1)\n    say(b'lost')\n"
    code += "assert ERRORS.count() == 1\nos._exit(0)"
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
