"""``report.html``: one file that a person reads, without a network."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayesff.reporting import tables, transfer_tables
from bayesff.reporting.assessed import Assessed
from bayesff.reporting.transferability import plain_variants, transferability
from bayesff.reporting.verdict import verdict
from bayesff.reporting.wording import candidate_text, solid, words

_MAX_VECTOR_BYTES = 400_000


def render(assessed: Assessed, pictures: Mapping[str, Any], figures: Path, facts: Mapping[str, Any]) -> str:
    """Return the report as a self-contained HTML page.

    Parameters
    ----------
    assessed
        Candidates, scores and comparison.
    pictures
        The figures by name, as `bayesff.reporting.figures.draw` returns them.
    figures
        Folder in which they have been written.
    facts
        ``study``, ``question``, ``seed`` and ``provenance`` of the run, as `bayesff.reporting.store.load_facts` returns them.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bayesff.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"words": words, "candidate": candidate_text, "solid": solid}
    environment.filters |= {"sample_sizes": tables.sample_size_rows, "simulations": tables.simulation_rows}
    environment.filters |= {"discrepancies": tables.discrepancy_rows, "plain": plain_variants}
    shown = {name: _Shown(picture, figures) for name, picture in pictures.items()}
    return environment.get_template("report.html").render(
        verdict=verdict(assessed),
        transfer=transferability(assessed),
        transfer_rows=transfer_tables,
        tension=transfer_tables.tension_rows(assessed),
        left_out_comparison=transfer_tables.left_out_comparison_rows(assessed),
        of_transfer=lambda *beginnings: _beginning(shown, beginnings),
        candidates=assessed.candidates,
        best=assessed.best,
        comparison=tables.comparison_rows(assessed),
        diagnostics=tables.diagnostic_rows(assessed),
        rows=tables,
        fits=[picture for name, picture in shown.items() if name.startswith("fit_")],
        biases=[picture for name, picture in shown.items() if name.startswith("bias_")],
        pictures=shown,
        study=facts["study"],
        question=facts["question"],
        answers=[(finding.text, shown.get(f"finding_{finding.name}")) for finding in facts["findings"]],
        seed=facts["seed"],
        provenance=_complete(facts["provenance"]),
    )


_OF_TRANSFER = ("transfer_matrix", "spread", "values", "left_out_coverage", "left_out", "domain", "identifiability")


def _beginning(shown: Mapping[str, "_Shown"], beginnings: Sequence[str]) -> list["_Shown"]:
    """Return the pictures of the transfer assessment whose kind is one of these, whichever candidates they are of."""
    kinds = {name: next((kind for kind in _OF_TRANSFER if name.startswith(kind)), "") for name in shown}
    return [picture for name, picture in shown.items() if kinds[name] in beginnings]


class _Shown:
    """A picture with its file inlined."""

    def __init__(self, picture: Any, folder: Path) -> None:
        self.title, self.caption, self.name = picture.title, picture.caption, picture.name
        vector, pixels = folder / f"{picture.name}.svg", folder / f"{picture.name}.png"
        kind, path = ("svg+xml", vector) if vector.stat().st_size <= _MAX_VECTOR_BYTES else ("png", pixels)
        self.source = f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _complete(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance with every key that the page asks for; a run made in a script may lack some."""
    empty = {"created": "", "command": [], "options": {}, "elapsed": None, "versions": {}, "platform": "", "device": ""}
    return empty | {"git": None, "data": []} | dict(provenance)
