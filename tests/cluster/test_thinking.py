"""While an answer is worked out, a terminal says so and programs hear nothing."""

import os
import pty
import subprocess
import sys

CODE = """
import os, sys, time
from metahp_cluster.thinking import thinking
with thinking("counting sheep"):
    os.write(2, b"what a library prints")
    os.write(1, b"what a library prints")
    time.sleep(0.5)
print("the answer")
"""


def test_a_terminal_at_standard_error_is_told() -> None:
    own, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(own, 10_000).decode()
    os.close(own)
    assert done.stdout == b"the answer\n"
    assert "counting sheep" in shown
    assert "library" not in shown


def test_a_pipe_hears_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"the answer\n", b"")
