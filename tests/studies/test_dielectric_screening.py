"""The study `dielectric_screening`: scaled charges in other dielectrics."""

from pathlib import Path

from .textbook import TextbookStudy, check_transfer


class TestDielectricScreening(TextbookStudy):
    name = "dielectric_screening"

    def test_it_transfers_and_answers_its_question(self, tmp_path: Path) -> None:
        check_transfer(self.name, tmp_path)  # the shortest of all
