"""What decoders print is counted, and nothing else that a process prints is lost."""

from __future__ import annotations

import subprocess
import sys

PRINTING = """
import ctypes, sys, threading
from lightning_pose.video.nvdec_errors import ERRORS

say = ctypes.CDLL(None).printf
assert ERRORS.count() == 0
ERRORS.listen()
ERRORS.listen()
say(b"Decode Error occurred for picture %d\\n", 7)
say(b"something else\\n")
assert ERRORS.count() == 1
assert ERRORS.count() == 1
say(b"Decode Error occurred ")  # of a line only as a whole can be told what it is
assert ERRORS.count() == 1
say(b"for picture %d\\n", 8)
assert ERRORS.count() == 2
print("from Python", flush=True)
many = [
    threading.Thread(
        target=lambda: [say(b"Decode Error occurred for picture %d\\n", n) for n in range(50)]
    )
    for _ in range(8)
]
for thread in many:
    thread.start()
for thread in many:
    thread.join()
assert ERRORS.count() == 402
say(b"at the end, no line")
"""


def test_lines_of_decoders_are_counted_and_others_handed_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTING], capture_output=True, text=True, check=True
    )
    assert done.stdout == "something else\nfrom Python\nat the end, no line"
    assert done.stderr == ""
