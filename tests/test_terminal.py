"""The progress of a run on a terminal, and in a file."""

import io
import re

import pytest
from rich.console import Console

from bayesff import terminal


def shown(*steps: tuple[str, str, int, int], on_terminal: bool) -> str:
    """Return what is to be seen after the last step."""
    written = io.StringIO()
    with terminal.ProgressDisplay(Console(file=written, force_terminal=on_terminal, width=80, color_system=None)) as progress:
        for step in steps:
            progress.show(*step)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.getvalue())


def test_bars_show_the_present_stage_of_every_candidate() -> None:
    steps = [("mie", "mode", 0, 1), ("mie", "mode", 1, 1), ("morse", "sampling", 50, 200), ("mie", "sampling", 0, 200)]
    *_, mie, morse = [line for line in shown(*steps, on_terminal=True).splitlines() if line.startswith(("mie", "morse"))]
    assert re.fullmatch(r"mie +sampling +━+ +0:00:00", mie.strip())  # without a share, because nothing is done yet
    assert re.fullmatch(r"morse +sampling +━+.* 25% 0:00:00", morse.strip())


def test_lines_say_each_stage_once_and_the_quarters_of_a_long_one() -> None:
    steps = [("mie", "mode", 0, 1), ("mie", "mode", 1, 1), *(("mie", "sampling", done, 100) for done in range(101))]
    lines = [line.split("  ")[-1] for line in shown(*steps, on_terminal=False).splitlines()]
    assert lines == [
        "mie: finding the mode",
        "mie: sampling",
        "mie: sampling 25 %",
        "mie: sampling 50 %",
        "mie: sampling 75 %",
    ]


def test_a_line_says_how_far_a_stage_is_when_nothing_was_said_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_SILENCE", 0.0)
    steps = [("", "refits", done, 72) for done in (0, 0, 1, 18, 20)]
    lines = [line.split("  ")[-1] for line in shown(*steps, on_terminal=False).splitlines()]
    assert lines == ["refits", "refits 1 %", "refits 25 %", "refits 27 %"]
