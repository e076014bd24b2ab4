"""What a terminal shows while an answer is worked out; elsewhere nothing is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

from metahp_cluster.quiet import noise_to


@contextmanager
def thinking(what: str) -> Iterator[None]:
    """Within, what TensorFlow prints is dropped, and a terminal at standard error says what is going on."""
    watched = sys.stderr.isatty()  # asked now: soon its descriptor leads elsewhere
    with noise_to(Path(os.devnull), sys.stderr) as shown, _spinner(shown, what) if watched else nullcontext():
        yield


@contextmanager
def _spinner(shown: TextIO, what: str) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    console = Console(file=shown, force_terminal=True)
    turning = Spinner("dots", text=what)
    with Live(turning, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
        yield
