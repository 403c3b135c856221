r"""Which combinations of parameters the data fix, and which they leave to the prior.

The eigenvectors of the Fisher information of the logarithms of the parameters are such combinations, each a product of powers,
and :math:`\lambda^{-1/2}` is the relative standard deviation to which the data alone fix it. The *contraction*,
:math:`1 - \mathrm{var}_\text{posterior}/\mathrm{var}_\text{prior}`, is 1 where the data decide and 0 where the prior does.
"""

from collections.abc import Sequence

import numpy as np
import xarray

from bayesff.assessment.transfer.refits import Fits
from bayesff.assessment.trees import draws, environments

EVERYTHING = "all data"


def identifiability(fits: Fits) -> xarray.Dataset | None:
    """Return what all data together, and those of each environment alone, fix of the potential's parameters.

    Returns
    -------
    xarray.Dataset or None
        Over ``fitted`` (``all data``, then the environments), ``combination`` (best fixed first) and ``parameter``:
        ``eigenvalue`` of the Fisher information with ``_q05`` and ``_q95`` over the sizes of the errors, ``power`` of each
        parameter in the combination, and its ``contraction``. The parameters are logarithms where positive. None where no
        information is known.
    """
    every = environments(next(iter(fits.values())))
    found = {}
    for refit, tree in fits.items():
        if refit.variant == "shared" and "fisher_information" in tree.children:
            label = EVERYTHING if len(refit.fitted) == len(every) else refit.fitted[0] if len(refit.fitted) == 1 else None
            if label is not None:
                found[label] = _combinations(tree)
    order = [label for label in (EVERYTHING, *every) if label in found]
    return xarray.concat([found[label] for label in order], dim="fitted").assign_coords(fitted=order) if found else None


def _combinations(tree: xarray.DataTree) -> xarray.Dataset:
    sampled, names = tree["fisher_information"]["information"].to_numpy(), tree["fisher_information"]["parameter"].to_numpy()
    values, vectors = np.linalg.eigh(sampled.mean(axis=0))
    values, vectors = values[::-1], vectors[:, ::-1]
    # The sign of an eigenvector means nothing: its largest entry is made positive.
    vectors = vectors * np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(len(values))])
    along = np.einsum("ic,dij,jc->dc", vectors, sampled, vectors)
    posterior, prior = (logarithms(tree, group, [str(name) for name in names]) @ vectors for group in ("posterior", "prior"))
    return xarray.Dataset(
        {
            "eigenvalue": ("combination", values),
            "eigenvalue_q05": ("combination", np.quantile(along, 0.05, axis=0)),
            "eigenvalue_q95": ("combination", np.quantile(along, 0.95, axis=0)),
            "power": (("combination", "parameter"), vectors.T),
            "contraction": ("combination", 1 - posterior.var(axis=0) / prior.var(axis=0)),
        },
        coords={"parameter": names.astype(str), "combination": np.arange(1, len(values) + 1)},
    )


def logarithms(tree: xarray.DataTree, group: str, names: Sequence[str]) -> np.ndarray:
    """Return draws of parameters side by side: of the logarithm of those whose prior is positive, of the others themselves."""
    columns = []
    for name in names:
        positive = bool(np.all(draws(tree, "prior", name) > 0))
        columns.append(np.log(draws(tree, group, name)) if positive else draws(tree, group, name))
    return np.stack(columns, axis=1)
