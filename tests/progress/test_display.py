from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from scalegrid.progress.display import (
    Ended,
    Lines,
    Live,
    closing_note,
    display_for,
    line,
    opening_note,
    render,
)
from scalegrid.progress.status import Best, Running, Status
from scalegrid.util.text import duration

RUNNING = (Running("t", "v", "width β=1.41  64 px", 0, 1, 4, 120.4),)
STATUS = Status("s", "running", 2, 1, 17, 350.0, Best("v", "depth α=2  48 px", 0.6123, 1), RUNNING)
ENDED = Ended("width β=1.41  64 px", 0, 0.6123, None, 48.2)


def test_a_finished_trial_is_one_line() -> None:
    wanted = "trial 3/17  width β=1.41  64 px  seed 0  top-1 61.2 %  48 s  about 6 min left"
    assert line(ENDED, STATUS) == wanted


def test_a_failed_trial_gives_its_reason() -> None:
    failed = replace(ENDED, value=None, error="the loss became nan in epoch 2")
    assert "  seed 0  failed: the loss became nan in epoch 2  about" in line(failed, STATUS)


def test_a_trial_without_the_figure_compared_counts_as_failed() -> None:
    lacking = line(replace(ENDED, value=None, metric="minimize mse"), STATUS)
    assert "  seed 0  without mse, so it counts as failed  48 s  about" in lacking


def test_no_time_is_given_when_none_is_known_or_left() -> None:
    assert "left" not in line(ENDED, replace(STATUS, seconds_left=None))
    assert "left" not in line(ENDED, replace(STATUS, finished=16))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3540, "59 min"),
        (3599, "1 h"),
        (4800, "1 h 20 min"),
        (86_340, "23 h 59 min"),
        (86_400, "1 d"),
        (183_600, "2 d 3 h"),
    ],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_without_a_terminal_there_are_plain_lines() -> None:
    stream = io.StringIO()
    display = display_for(stream)
    assert isinstance(display, Lines)
    display.note("hello")
    display.preparing(10, 100)
    display.update(STATUS)
    display.ended(ENDED, STATUS)
    display.close()
    assert stream.getvalue().splitlines() == ["hello", line(ENDED, STATUS)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_state_is_redrawn_below_the_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    display = display_for(stream)
    assert isinstance(display, Live)
    display.note("a [note] of 100 %")
    display.preparing(10, 100)
    display.update(STATUS)
    display.ended(ENDED, STATUS)
    display.close()
    shown = stream.getvalue()
    for text in ("a [note] of 100 %", line(ENDED, STATUS), "epoch 2 of 4", "\x1b["):
        assert text in shown


def test_a_speed_is_shown_once_an_epoch_has_ended() -> None:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(
            render(replace(STATUS, running=(replace(RUNNING[0], images_per_second=None),)))
        )
    assert "images/s" not in capture.get()


def test_the_rendered_state_names_what_matters() -> None:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(render(STATUS))
    shown = capture.get()
    for text in (
        *("s  3 of 17 trials, 1 failed", "120 images/s", "about 6 min left"),
        *("width β=1.41  64 px  seed 0  epoch 2 of 4", "best so far  depth α=2  48 px"),
        "top-1 61.2 %",
    ):
        assert text in shown
    bar = next(row for row in shown.splitlines() if "━" in row)
    assert set(bar.strip()) <= set("━╸╺ "), "a bar and what is running have a line each"


def test_no_bar_is_left_once_the_images_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    display = display_for(stream)
    display.preparing(99, 100)
    assert "━" in stream.getvalue()
    stream.truncate(0)
    display.preparing(100, 100)
    display.note("Finding the learning rate")
    assert "━" not in stream.getvalue()
    display.close()


def test_a_higher_rung_is_named() -> None:
    from rich.console import Console

    assert "seed 0  rung 3×  top-1 61.2 %" in line(replace(ENDED, rung=3), STATUS)
    assert "rung" not in line(ENDED, STATUS)
    higher = replace(STATUS, running=(replace(RUNNING[0], rung=9),))
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(render(higher))
    assert "seed 0  rung 9×  epoch 2 of 4" in capture.get()


def test_the_first_and_last_words_say_what_to_expect_and_what_to_do() -> None:
    fresh = replace(STATUS, finished=0, failed=0, running=())
    assert opening_note(fresh) == "s: 17 trials to train; this will take about 6 min."
    assert opening_note(replace(fresh, seconds_left=None)) == "s: 17 trials to train."
    assert "14 trials to train, 3 done before" in opening_note(STATUS)
    assert opening_note(fresh, "at most") == (
        "s: at most 17 trials to train; this will take at most about 6 min."
    )
    folder = Path("results/s")
    done = replace(STATUS, state="finished", finished=17, failed=0)
    assert closing_note(done, folder).startswith("s is finished: 17 trials; results in results/s;")
    assert "`scalegrid recommend`" in closing_note(done, folder)
    unsure = replace(done, certainty=0.63)
    said = "not decided: leader good enough with probability 63 %, where 95 % is asked;"
    assert said in closing_note(unsure, folder, 0.95)
    assert "not decided" not in closing_note(unsure, folder, 0.6)
    assert "not decided" not in closing_note(unsure, folder)
    stopped = closing_note(replace(STATUS, state="interrupted"), folder)
    assert "3 of 17 trials are done" in stopped
    assert "run the same command again" in stopped
