"""Residuals by environment, and the biases of laboratories."""

import numpy as np
import xarray
from matplotlib.ticker import FuncFormatter

from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.figures.style import COLOURS, FAINT, MARKERS, Picture, new_figure
from bayesff.reporting.wording import axis, candidate_text, ticks, words


def residual_picture(assessed: Assessed) -> Picture:
    """Return the picture of the residuals of all candidates in every environment."""
    candidates = list(assessed.candidates.values())
    labels = list(dict.fromkeys(str(one) for own in candidates for one in own.environments["environment"].to_numpy()))
    height = 1.3 + len(labels) * (0.22 + 0.2 * len(candidates))
    figure = new_figure(10, height)
    axes = figure.subplots()
    extremes = [1.0]
    for index, candidate in enumerate(candidates):
        scores = candidate.environments
        alone = scores["rmse_potential_over_uncertainty"].to_numpy()
        whole = scores["rmse_over_uncertainty"].to_numpy()
        places = [labels.index(str(one)) for one in scores["environment"].to_numpy()]
        where = np.array(places) + _offset(index, len(candidates))
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        axes.hlines(where, whole, alone, color=colour, lw=1, alpha=0.6)
        axes.plot(whole, where, marker, mfc="white", color=colour, ms=6, ls="none")
        axes.plot(alone, where, marker, color=colour, ms=6, ls="none", label=candidate_text(candidate.name))
        extremes += [*alone, *whole]
    low, high = 0.8 * max(min(extremes), 1e-3), 1.25 * max(extremes)
    axes.set(xscale="log", xlim=(low, high), yticks=range(len(labels)), yticklabels=labels)
    axes.set_xticks(ticks(low, high))
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.axvline(1.0, color=FAINT, lw=1)
    axes.set_xlabel("root-mean-square residual / stated uncertainty")
    if len(candidates) > 1:
        figure.legend(loc="outside upper right", ncols=len(candidates))
    caption = (
        "Filled: the potential alone. Open: with the biases of the laboratories and the discrepancy that the data showed. Near 1 "
        "the data are met within their stated uncertainty. Both are in sample: every datum was used in the fit."
    )
    return Picture("residuals_environment", "Residuals by environment", caption, figure)


def _offset(index: int, number: int) -> float:
    return 0.0 if number == 1 else 0.5 * (index / (number - 1) - 0.5)


def bias_pictures(assessed: Assessed) -> list[Picture]:
    """Return one picture for each term and group whose members have a bias."""
    found: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in assessed.candidates.values():
        if candidate.biases is None:
            continue
        pairs = zip(candidate.biases["term"].to_numpy(), candidate.biases["group"].to_numpy(), strict=True)
        for pair in dict.fromkeys((str(term), str(group)) for term, group in pairs):
            found.setdefault(pair, []).append(candidate)
    return [_bias_picture(candidates, *pair, assessed.best) for pair, candidates in found.items()]


def _bias_picture(candidates: list[Candidate], term: str, group: str, best: Candidate) -> Picture:
    reference = best if best in candidates else candidates[0]
    members = _members(reference, term, group).sortby("mean")
    labels = [str(label) for label in members["label"].to_numpy()]
    figure = new_figure(10, 1.2 + len(labels) * (0.14 + 0.08 * len(candidates)))
    axes = figure.subplots()
    for index, candidate in enumerate(candidates):
        own = _members(candidate, term, group).set_index(member="label").sel(member=labels)
        mean = own["mean"].to_numpy()
        spread = np.stack([mean - own["q05"].to_numpy(), own["q95"].to_numpy() - mean])
        where = np.arange(len(labels)) + 0.8 * _offset(index, len(candidates))
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        axes.errorbar(mean, where, xerr=spread, fmt=marker, ms=4, lw=1, color=colour, label=candidate_text(candidate.name))
    counts = members["num_data"].to_numpy()
    axes.set_yticks(range(len(labels)), [f"{label} ({count})" for label, count in zip(labels, counts, strict=True)])
    axes.set_ylim(-0.7, len(labels) - 0.3)
    axes.axvline(0.0, color=FAINT, lw=1)
    quantity = reference.terms[term].quantity
    axes.set_xlabel(axis(f"bias in the {quantity.label}", quantity.unit))
    if len(candidates) > 1:
        figure.legend(loc="outside upper right", ncols=len(candidates))
    caption = (
        f"Offset of each {words(group)} from the expectation, with its central 90 % interval; in brackets the number of data. "
        "The scale of the biases is learnt, so those of few data are drawn towards zero."
    )
    return Picture(f"bias_{term}_{group}", f"Bias by {words(group)}: {quantity.label}", caption, figure)


def _members(candidate: Candidate, term: str, group: str) -> xarray.Dataset:
    biases = candidate.biases
    assert biases is not None
    wanted = (biases["term"].to_numpy() == term) & (biases["group"].to_numpy() == group)
    return biases.isel(member=np.flatnonzero(wanted))
