"""Whether the parameters that synthetic data were made from are found again."""

from collections.abc import Mapping

import xarray

from bayesff.assessment import Finding, summarise
from bayesff.reporting.wording import candidate_text, enumerate_words, interval, site_text, with_unit


def recovered(trees: Mapping[str, xarray.DataTree], truths: Mapping[str, Mapping[str, float]]) -> list[Finding]:
    """Return for each candidate with known parameters which of them lie in their central 90 % intervals.

    Parameters
    ----------
    trees
        The posterior of each candidate.
    truths
        For a candidate the true values of its parameters, in the unit of their priors.

    Returns
    -------
    list of Finding
        One a candidate, ``recovery_<candidate>``, with the numbers ``<parameter>_true``, ``_q05``, ``_q50`` and ``_q95``.
    """
    return [_of_candidate(name, trees[name], known) for name, known in truths.items()]


def _of_candidate(name: str, tree: xarray.DataTree, known: Mapping[str, float]) -> Finding:
    summary = summarise(tree)
    values: dict[str, float] = {}
    inside, outside = [], []
    for parameter, truth in known.items():
        row = summary.sel(scalar=parameter)
        low, middle, high = (float(row[key]) for key in ("q05", "q50", "q95"))
        values |= {
            f"{parameter}_true": float(truth),
            f"{parameter}_q05": low,
            f"{parameter}_q50": middle,
            f"{parameter}_q95": high,
        }
        unit = str(row["unit"].item())
        true = with_unit(f"{float(truth):.6g}".replace("-", "−"), unit)
        shown = f"{site_text(parameter, {})} = {true} ({interval(low, high, unit)})"
        (inside if low <= truth <= high else outside).append(shown)
    text = [f"The data of {candidate_text(name)} were made from known parameters."]
    if inside:
        text.append(f"Inside the 90 % intervals: {enumerate_words(inside)}.")
    if outside:
        text.append(f"Outside them, as one in ten is by chance: {enumerate_words(outside)}.")
    return Finding(f"recovery_{name}", " ".join(text), values)
