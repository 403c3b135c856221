"""Stored ensembles: a folder of finished reference simulations, each a NetCDF file whose name follows from what was simulated.

A simulation that is in the folder is not run again; one that was interrupted leaves nothing behind. Some come with the package,
in ``reference_ensembles`` of the catalogue, so that a study can be seen before anything is simulated.
"""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import xarray

from bayesff.datasets.library import catalogue_folder
from bayesff.ensembles.pair_statistics import PairGrid
from bayesff.ensembles.references import PairEnsemble
from bayesff.ensembles.simulation import Simulation
from bayesff.errors import DataError, OutputError
from bayesff.potentials import Truncation
from bayesff.potentials.description import describe, from_description
from bayesff.writing import atomic, reason

FORMAT = 2
"""Version of the layout of a file; kept in its attribute ``format``."""


def shipped_folder() -> Path:
    """Return the folder of the reference simulations that come with the package."""
    return catalogue_folder() / "reference_ensembles"


class EnsembleStore:
    """A folder of finished reference simulations.

    Parameters
    ----------
    folder
        The folder; it is made when the first simulation is written.
    others
        A folder where simulations may be found too, and none is written; none if not given.
    """

    def __init__(self, folder: str | Path, others: str | Path | None = None) -> None:
        self.folder = Path(folder)
        self.others = self.folder if others is None else Path(others)

    def path(self, simulation: Simulation) -> Path:
        """Return the file of a simulation: where it is, or where it would be written."""
        name = f"{simulation.key}.nc"
        own, other = self.folder / name, self.others / name
        return other if other.is_file() and not own.is_file() else own

    def __contains__(self, simulation: Simulation) -> bool:
        return self.path(simulation).is_file()

    def get(self, simulation: Simulation) -> PairEnsemble:
        """Return the ensemble of a simulation, which is run if there is none.

        Raises
        ------
        DataError
            If its file cannot be read, or is of another version.
        OutputError
            If the folder cannot be written.
        NumericalError
            If the simulation has left the rails.
        StateError
            If the box has frozen or has two phases.
        """
        if simulation in self:
            return load_ensemble(self.path(simulation))
        try:  # before minutes are spent
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder}: the folder cannot be written ({reason(error)}): choose another folder") from None
        made = simulation.run()
        save_ensemble(made, self.path(simulation), json.dumps(simulation.description))
        return made


def save_ensemble(ensemble: PairEnsemble, path: Path, made_by: str = "") -> None:
    """Write an ensemble, under a temporary name that becomes the real one when it is complete.

    Parameters
    ----------
    ensemble
        The ensemble.
    path
        The file.
    made_by
        Description of the simulation, kept beside.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    grid = ensemble.grid
    about = {
        "potential": describe(ensemble.potential),
        "temperature": float(ensemble.temperature),
        "density": float(ensemble.density),
        "num_particles": ensemble.num_particles,
        "inefficiency": float(ensemble.inefficiency),
        "grid": {"edges": grid.edges, "spacing": grid.spacing},
    }
    dataset = xarray.Dataset(
        {"pair_counts": (("frame", "node"), np.asarray(ensemble.pair_counts), {"long_name": "pair statistics", "units": "1"})},
        {"node": ("node", grid.nodes, {"long_name": "separation", "units": "angstrom"})},
        {"format": FORMAT, "ensemble": json.dumps(about), "simulation": made_by},
    )
    with atomic(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding={"pair_counts": {"zlib": True, "shuffle": True}})


def load_ensemble(path: Path) -> PairEnsemble:
    """Read an ensemble.

    Raises
    ------
    DataError
        If the file cannot be read, or is of another version.
    """
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as opened:
            dataset = opened.load()
        version = int(dataset.attrs["format"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: an ensemble must be a NetCDF file that this package has written, found one that cannot be read "
            f"({str(error).splitlines()[0]}): remove it, and it is simulated again"
        ) from None
    if version != FORMAT:
        raise DataError(
            f"{path}: an ensemble is read in format {FORMAT}, found {version}, that of another version of bayesff: remove it, "
            "and it is simulated again, or install that version"
        )
    about = json.loads(dataset.attrs["ensemble"])
    potential = from_description(about["potential"])
    assert isinstance(potential, Truncation)
    grid = PairGrid(tuple(about["grid"]["edges"]), about["grid"]["spacing"])
    state = (about["temperature"], about["density"], about["num_particles"])
    return PairEnsemble(potential, *state, grid, jnp.asarray(dataset["pair_counts"].to_numpy()), about["inefficiency"])
