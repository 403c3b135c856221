"""The figures of a report. Matplotlib is imported here and nowhere else."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bayesff.assessment import Finding
from bayesff.reporting.assessed import Assessed
from bayesff.reporting.figures.checks import chain_pictures, check_picture, comparison_picture
from bayesff.reporting.figures.findings import finding_pictures
from bayesff.reporting.figures.fit import fit_pictures
from bayesff.reporting.figures.parameters import parameter_pictures
from bayesff.reporting.figures.residuals import bias_pictures, residual_picture
from bayesff.reporting.figures.style import Picture, style, write
from bayesff.reporting.figures.transfer import transfer_pictures

__all__ = ["Picture", "draw", "write_all"]


def draw(assessed: Assessed, findings: Sequence[Finding] = ()) -> dict[str, Picture]:
    """Return all figures of a run, by their names, those of the study's findings first."""
    with style():
        pictures = [
            *finding_pictures(findings),
            *fit_pictures(assessed),
            *parameter_pictures(assessed),
            residual_picture(assessed),
            *bias_pictures(assessed),
            check_picture(assessed),
            comparison_picture(assessed),
            *chain_pictures(assessed),
            *transfer_pictures(assessed),
        ]
    return {picture.name: picture for picture in pictures if picture is not None}


def write_all(pictures: dict[str, Picture], folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write all figures as SVG and PNG into a folder that exists."""
    for index, picture in enumerate(pictures.values()):
        if progress is not None:
            progress(index, len(pictures))
        write(picture, folder)
