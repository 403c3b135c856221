"""Everything that metrics, figures and report say about a run, worked out once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray

from bayesff import assessment


@dataclass(frozen=True)
class Candidate:
    """One candidate potential: its posterior and what follows from it.

    Parameters
    ----------
    name
        Name of the candidate.
    tree
        Its posterior.
    terms
        Its data, term by term.
    table
        Every datum against its prediction.
    environments, by_term
        Scores by environment and by term.
    summary
        Every scalar of the posterior.
    biases, scales
        What the error models learnt; None where there is nothing.
    """

    name: str
    tree: xarray.DataTree
    terms: dict[str, assessment.Contents]
    table: xarray.Dataset
    environments: xarray.Dataset
    by_term: xarray.Dataset
    summary: xarray.Dataset
    biases: xarray.Dataset | None
    scales: xarray.Dataset | None

    @property
    def parameters(self) -> list[str]:
        """Names of the potential's parameters."""
        return assessment.parameter_names(self.tree)

    @property
    def order(self) -> list[int]:
        """Positions of all scalars: first those of the potential's parameters, in the order of the problem, then the others."""
        sites = [str(site) for site in self.summary["site"].to_numpy()]
        wanted = [site for name in self.parameters for site in (name, f"tau_{name}", f"{name}_environment")]
        places = {site: place for place, site in enumerate(wanted)}
        return sorted(range(len(sites)), key=lambda index: places.get(sites[index], len(wanted)))

    @property
    def converged(self) -> bool:
        """Whether the run has converged."""
        return bool(self.tree["diagnostics"]["converged"].item())

    @property
    def reasons(self) -> str:
        """Why it has not; empty if it has."""
        return str(self.tree["diagnostics"].attrs.get("reasons", ""))

    @property
    def transfer(self) -> dict[str, xarray.Dataset]:
        """Its transfer assessment, see `bayesff.assessment.transfer.assess_transfer`; empty if there is none."""
        if "transferability" not in self.tree.children:
            return {}
        return {name: child.to_dataset() for name, child in self.tree["transferability"].children.items()}

    @property
    def unconverged_refits(self) -> list[str]:
        """Which refits of the transfer assessment have not converged, and why."""
        refits = self.transfer.get("refits")
        if refits is None:
            return []
        rows = [refits.isel(refit=index) for index in np.flatnonzero(refits["converged"].to_numpy() == 0)]
        return [f"{row['variant'].item()}, fitted to {row['fitted'].item()}: {row['reasons'].item()}" for row in rows]

    @property
    def ensembles(self) -> xarray.Dataset | None:
        """How many frames of the reference simulations are effective at every draw; None without a liquid."""
        return self.tree["ensembles"].to_dataset() if "ensembles" in self.tree.children else None

    @property
    def simulations(self) -> list[dict[str, Any]]:
        """Descriptions of the reference simulations that a run has placed, see `bayesff.ensembles.Simulation`."""
        return [] if self.ensembles is None else json.loads(self.ensembles.attrs.get("simulations", "[]"))

    @property
    def shortfall(self) -> str:
        """What the placement of the reference simulations has left missing; empty if nothing."""
        return "" if self.ensembles is None else str(self.ensembles.attrs.get("shortfall", ""))

    def has_statistic(self, name: str) -> bool:
        """Return whether the method gave a statistic of every draw, such as ``energy``."""
        return "sample_stats" in self.tree.children and name in self.tree["sample_stats"].data_vars

    @property
    def method(self) -> str:
        """Method of inference."""
        return str(self.tree["diagnostics"].attrs.get("method", ""))

    @property
    def num_high_pareto_k(self) -> int:
        """Number of data whose leave-one-out estimate is unreliable."""
        return int(self.environments["num_high_pareto_k"].sum())

    @property
    def worst_environment(self) -> str:
        """The environment that the potential alone misses most, in stated uncertainties."""
        missed = self.environments["rmse_potential_over_uncertainty"]
        return str(self.environments["environment"].to_numpy()[int(np.argmax(missed.to_numpy()))])


@dataclass(frozen=True)
class Assessed:
    """All candidates of a run, and their comparison if there are several on the same data."""

    candidates: dict[str, Candidate]
    comparison: xarray.Dataset | None

    @property
    def first(self) -> Candidate:
        """The candidate named first."""
        return next(iter(self.candidates.values()))

    @property
    def best(self) -> Candidate:
        """The candidate that predicts best; the first one where they cannot be compared."""
        return self.first if self.comparison is None else self.candidates[str(self.comparison["candidate"].to_numpy()[0])]

    @property
    def converged(self) -> bool:
        """Whether all candidates have converged, and all their refits."""
        return all(one.converged and not one.unconverged_refits for one in self.candidates.values())


def assess(trees: Mapping[str, xarray.DataTree]) -> Assessed:
    """Work out scores, summaries and comparison of all candidates."""
    candidates = {name: _candidate(name, tree) for name, tree in trees.items()}
    comparison = None
    if len(trees) > 1 and assessment.comparable(trees):
        tables = {name: candidate.table for name, candidate in candidates.items()}
        comparison = assessment.compare_tables(tables, assessment.environments(next(iter(trees.values()))))
    return Assessed(candidates, comparison)


def _candidate(name: str, tree: xarray.DataTree) -> Candidate:
    table, terms = assessment.pointwise(tree), assessment.contents(tree)
    return Candidate(
        name=name,
        tree=tree,
        terms=terms,
        table=table,
        environments=assessment.aggregate(table, "environment", assessment.environments(tree)),
        by_term=assessment.aggregate(table, "term", list(terms)),
        summary=assessment.summarise(tree),
        biases=assessment.group_biases(tree),
        scales=assessment.error_scales(tree),
    )
