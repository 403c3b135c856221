"""The study `cutoff_transfer`: parameters learnt in full, used with a cutoff."""

from pathlib import Path

from ..long import long  # noqa: TID252
from .checks import check_coverage, check_run, check_transfer


def test_it_runs_and_converges(tmp_path: Path) -> None:
    check_run("cutoff_transfer", tmp_path)


@long
def test_it_transfers_and_answers_its_question(tmp_path: Path) -> None:
    check_transfer("cutoff_transfer", tmp_path)


@long
def test_true_parameters_lie_in_their_intervals_as_often_as_these_say() -> None:
    check_coverage("cutoff_transfer")
