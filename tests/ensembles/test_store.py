"""Simulations as descriptions, and the folder that finished ones are kept in."""

import functools
import json

import numpy as np
import pytest
import xarray

import bayesff.potentials as bp
from bayesff.ensembles import EnsembleStore, PairFluid, PairGrid, Simulation, load_ensemble
from bayesff.errors import DataError, OutputError, ParameterError
from bayesff.potentials.description import describe, from_description


def simulation(epsilon=0.996, seed=1, potential=None, **changes):
    potential = bp.LennardJones(epsilon=epsilon, sigma=3.405) if potential is None else potential
    fluid = PairFluid(bp.PlainCut(potential, cutoff=7.0, tail=True), 150.0, 0.0125, 39.948, num_particles=48)
    settings = {"num_replicas": 2, "num_frames": 20, "stride": 5, "num_warm": 4} | changes
    return Simulation(fluid, PairGrid((2.0, 7.0, 7.8), 0.1), seed, **settings)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    store = EnsembleStore(tmp_path_factory.mktemp("ensembles"))
    return store, store.get(simulation())


def test_a_finished_simulation_is_not_run_again(stored, monkeypatch):
    store, first = stored
    assert simulation() in store
    monkeypatch.setattr(Simulation, "run", None)
    again = store.get(simulation())
    np.testing.assert_array_equal(again.pair_counts, first.pair_counts)
    assert describe(again.potential) == describe(first.potential)
    for name in ("temperature", "density", "num_particles", "grid", "inefficiency"):
        assert getattr(again, name) == getattr(first, name)


def test_a_simulation_is_found_in_another_folder_where_none_is_written(stored, tmp_path, monkeypatch):
    found, first = stored
    store = EnsembleStore(tmp_path / "own", found.folder)
    assert simulation() in store
    assert store.path(simulation()) == found.path(simulation())
    assert store.path(simulation(seed=2)).parent == tmp_path / "own"
    monkeypatch.setattr(Simulation, "run", lambda _: first)
    np.testing.assert_array_equal(store.get(simulation()).pair_counts, first.pair_counts)
    assert not (tmp_path / "own").exists()
    store.get(simulation(seed=2))
    assert [path.stem for path in (tmp_path / "own").iterdir()] == [simulation(seed=2).key]
    assert simulation(seed=2) not in found


def test_the_same_description_gives_the_same_frames(stored):
    _, first = stored
    np.testing.assert_array_equal(simulation().run().pair_counts, first.pair_counts)


def test_what_decides_the_frames_decides_the_name(stored):
    store, _ = stored
    others = [
        simulation(epsilon=0.997),
        simulation(seed=2),
        simulation(num_frames=21),
        simulation(stride=6),
        simulation(num_warm=5),
        simulation(potential=bp.Mie(epsilon=0.996, sigma=3.405, repulsive=12.0, attractive=6.0)),
    ]
    assert len({simulation().key, *(one.key for one in others)}) == 7
    assert not any(one in store for one in others)


def test_an_ensemble_says_what_it_is_of(stored):
    store, first = stored
    with xarray.open_dataset(store.path(simulation()), engine="h5netcdf") as opened:
        about = json.loads(opened.attrs["simulation"])
        assert opened["node"].attrs["units"] == "angstrom"
        np.testing.assert_allclose(opened["node"], first.grid.nodes)
    assert about["potential"]["potential"] == {"form": "LennardJones", "epsilon": 0.996, "sigma": 3.405}
    assert about["fluid"]["temperature"] == 150.0
    assert about["engine"] == "pair fluid"


@pytest.mark.parametrize(
    "potential",
    [
        bp.SwitchedCut(bp.Buckingham(epsilon=1.0, distance=3.8, steepness=13.0), switch_distance=7.0, cutoff=8.0, tail=True),
        bp.PlainCut(
            bp.LennardJones(epsilon=1.0, sigma=3.4) + 0.5 * bp.Morse(well_depth=1.0, distance=3.8, steepness=1.2), cutoff=9.0
        ),
        bp.ShiftedCut(bp.TangToennies.argon(), cutoff=8.5),
    ],
)
def test_a_potential_is_what_its_description_says(potential):
    described = json.loads(json.dumps(describe(potential)))
    made = from_description(described)
    assert type(made) is type(potential)
    assert describe(made) == described
    assert float(made.pair_energy(3.7)) == float(potential.pair_energy(3.7))


class Softer(bp.LennardJones):
    pass


def test_a_form_of_another_package_is_found_where_it_is():
    described = describe(Softer(epsilon=1.0, sigma=3.4))
    assert described["form"].endswith(":Softer")
    with pytest.raises(ParameterError, match=r"found 'elsewhere:Form' .* install the package that defines it"):
        from_description({"form": "elsewhere:Form"})
    with pytest.raises(ParameterError, match="with its fields, found 'LennardJones'"):
        from_description({"form": "LennardJones", "depth": 1.0})


def test_files_that_cannot_be_used(stored, tmp_path):
    store, _ = stored
    whole = store.path(simulation()).read_bytes()
    other = EnsembleStore(tmp_path)
    other.path(simulation()).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="remove it, and it is simulated again"):
        other.get(simulation())
    with xarray.open_dataset(store.path(simulation()), engine="h5netcdf") as opened:
        opened.load().assign_attrs(format=99).to_netcdf(tmp_path / "later.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"later\.nc: an ensemble is read in format 2, found 99, that of another version"):
        load_ensemble(tmp_path / "later.nc")


def test_a_folder_that_cannot_be_written_is_found_out_before_the_simulation(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setattr(Simulation, "run", functools.partial(pytest.fail, "it was run"))
    with pytest.raises(OutputError, match="taken: the folder cannot be written"):
        EnsembleStore(tmp_path / "taken").get(simulation())


def test_nothing_is_left_of_a_file_that_could_not_be_finished(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xarray.Dataset, "to_netcdf", full)
    with pytest.raises(OutputError, match="no space left on device"):
        EnsembleStore(tmp_path).get(simulation())
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_a_simulation():
    assert simulation().num_steps == 2 * 5 * 24
    with pytest.raises(ParameterError, match="num_frames must be greater than zero, found 0"):
        simulation(num_frames=0)
