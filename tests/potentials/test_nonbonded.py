"""Nonbonded energies of molecules against OpenMM, closed forms and limits; the 1-4 conventions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import bayesff.potentials as bp
from bayesff.errors import ParameterError
from bayesff.units import COULOMB_CONSTANT

OPLS = bp.opls_alkanes()
AMBER_LIKE = bp.NonbondedForceField(
    [-0.27, -0.12, -0.05, 0.09], [3.4, 3.3, 3.2, 2.65], [0.45, 0.4, 0.35, 0.066], types=OPLS.types, combining=bp.lorentz_berthelot
)
MOLECULES = {
    "butane": bp.alkane([(180.0,), (60.0,), (10.0,)]),
    "cyclohexane": bp.cyclohexane(["chair", 33.3]),
    "decalin": bp.decalin([("trans", "chair", "chair"), ("cis", "chair", "boat_2")]),
}
CONVENTIONS = {"opls": bp.OPLS_ONE_FOUR, "amber": bp.AMBER_ONE_FOUR, "charmm": bp.CHARMM_ONE_FOUR}


def openmm_energies(force_field, scaling, molecule):
    """Energies by OpenMM, whose own search of the bonds makes the exceptions; unlike pairs of OPLS are exceptions as well."""
    openmm = pytest.importorskip("openmm")
    topology, places = molecule.topology, force_field.places(molecule.topology)
    charges, sigma, epsilon = (np.asarray(x)[places] for x in (force_field.charges, force_field.sigma, force_field.epsilon))
    system, force = openmm.System(), openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    for q, s, e in zip(charges, sigma, epsilon, strict=True):
        system.addParticle(12.0)
        force.addParticle(float(q), float(s) / 10, float(e))
    force.createExceptionsFromBonds(list(topology.bonds), scaling.coulomb, scaling.lennard_jones)
    geometric = force_field.combining is bp.geometric
    known = {}
    for index in range(force.getNumExceptions()):
        i, j, product, _, depth = force.getExceptionParameters(index)
        known[tuple(sorted((i, j)))] = (product._value, depth._value)
    for i in range(topology.num_atoms if geometric else 0):
        for j in range(i + 1, topology.num_atoms):
            product, depth = known.get((i, j), (charges[i] * charges[j], np.sqrt(epsilon[i] * epsilon[j])))
            force.addException(i, j, float(product), float(np.sqrt(sigma[i] * sigma[j])) / 10, float(depth), True)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    found = []
    for positions in molecule.positions:
        context.setPositions(positions / 10)
        found.append(context.getState(energy=True).getPotentialEnergy()._value)
    return np.array(found)


@pytest.mark.parametrize(
    ("force_field", "convention"), [(OPLS, "opls"), (AMBER_LIKE, "amber"), (OPLS, "charmm")], ids=["opls", "amber", "charmm"]
)
@pytest.mark.parametrize("name", ["butane", "cyclohexane"])
def test_openmm_has_the_same_energies(name, force_field, convention):
    molecule, scaling = MOLECULES[name], CONVENTIONS[convention]
    found = jax.jit(jax.vmap(lambda x: scaling(force_field).energy(molecule.topology, x)))(molecule.positions)
    np.testing.assert_allclose(found, openmm_energies(force_field, scaling, molecule), rtol=1e-6)


@pytest.mark.parametrize("name", MOLECULES)
def test_the_parts_are_sums_over_pairs_by_hand(name):
    molecule, force_field = MOLECULES[name], bp.AMBER_ONE_FOUR(OPLS)
    topology, positions = molecule.topology, molecule.positions[1]
    places = force_field.places(topology)
    charges, sigma, epsilon = (np.asarray(x)[places] for x in (OPLS.charges, OPLS.sigma, OPLS.epsilon))
    wanted = np.zeros(4)
    for i in range(topology.num_atoms):
        for j in range(i + 1, topology.num_atoms):
            bonds, r = topology.separations[i, j], np.linalg.norm(positions[i] - positions[j])
            if bonds < 3:
                continue
            x = (sigma[i] * sigma[j]) ** 3 / r**6
            pair = np.array([COULOMB_CONSTANT * charges[i] * charges[j] / r, 4 * np.sqrt(epsilon[i] * epsilon[j]) * (x**2 - x)])
            wanted += np.concatenate([pair * [1 / 1.2, 0.5], [0, 0]]) if bonds == 3 else np.concatenate([[0, 0], pair])
    parts = force_field.parts(topology, positions)
    np.testing.assert_allclose(np.array(parts), wanted, rtol=1e-12)
    assert float(force_field.energy(topology, positions)) == pytest.approx(wanted.sum(), rel=1e-12)


def test_named_conventions():
    assert (bp.OPLS_ONE_FOUR.coulomb, bp.OPLS_ONE_FOUR.lennard_jones) == (0.5, 0.5)
    assert (bp.AMBER_ONE_FOUR.coulomb, bp.AMBER_ONE_FOUR.lennard_jones) == (pytest.approx(1 / 1.2), 0.5)
    assert (bp.CHARMM_ONE_FOUR.coulomb, bp.CHARMM_ONE_FOUR.lennard_jones) == (1.0, 1.0)
    ratio = bp.OPLS_ONE_FOUR.over(bp.AMBER_ONE_FOUR)
    assert (ratio.coulomb, ratio.lennard_jones) == (pytest.approx(0.6), 1.0)


def test_a_treatment_replaces_the_factors():
    twice = bp.AMBER_ONE_FOUR(bp.OPLS_ONE_FOUR(OPLS))
    assert (float(twice.coulomb_one_four), float(twice.lennard_jones_one_four)) == pytest.approx((1 / 1.2, 0.5))
    butane = MOLECULES["butane"]
    full, none = (
        scaling(OPLS).parts(butane.topology, butane.positions[0]) for scaling in (bp.CHARMM_ONE_FOUR, bp.OneFourScaling(0.0, 0.0))
    )
    assert [float(x) for x in none[:2]] == [0.0, 0.0]
    np.testing.assert_array_equal(none[2:], full[2:])
    np.testing.assert_array_equal(OPLS.parts(butane.topology, butane.positions[0]), full)


def test_factors_of_types_enter_as_products():
    butane = MOLECULES["butane"]
    plain = OPLS.parts(butane.topology, butane.positions[1])
    carbons = dict.fromkeys(("CH3", "CH2", "CH"), 1.2)
    scaled = OPLS.with_factors({**carbons, "H": 1.2}, {**carbons, "H": 1.2}).parts(butane.topology, butane.positions[1])
    np.testing.assert_allclose(np.array(scaled), 1.44 * np.array(plain), rtol=1e-12)
    assert float(OPLS.with_factors({"H": 1.1}).net_charge(butane.topology)) == pytest.approx(0.06)
    # An exact solution by the linear system gives the energies of the other convention: propane, atom by atom.
    propane, ratio = bp.alkane([()]), bp.OPLS_ONE_FOUR.over(bp.AMBER_ONE_FOUR)
    factors = bp.FactorSystem.of_one_four(propane.topology, ratio.coulomb).atom_factors
    names = tuple(f"atom {i}" for i in range(len(factors)))
    by_atom = bp.NonbondedForceField(
        *(np.asarray(x)[OPLS.places(propane.topology)] for x in (OPLS.charges, OPLS.sigma, OPLS.epsilon)), types=names
    )
    topology = bp.Topology(names, propane.topology.bonds)
    turned = bp.AMBER_ONE_FOUR(by_atom.with_factors(dict(zip(names, factors, strict=True))))
    found, wanted = (x.parts(topology, propane.positions[0]) for x in (turned, bp.OPLS_ONE_FOUR(by_atom)))
    np.testing.assert_allclose(np.array(found), np.array(wanted), rtol=1e-9)


@pytest.mark.parametrize("force_field", [OPLS, AMBER_LIKE], ids=["geometric", "lorentz_berthelot"])
def test_gradients_agree_with_differences_forward_and_reverse(force_field):
    butane = MOLECULES["butane"]

    @jax.jit
    def energy(charge, strength, coulomb, lennard_jones, positions):
        factors = dict(zip(force_field.types, charge, strict=True)), dict(zip(force_field.types, strength, strict=True))
        changed = bp.NonbondedForceField(
            force_field.with_factors(*factors).charges,
            force_field.sigma,
            force_field.with_factors(*factors).epsilon,
            coulomb,
            lennard_jones,
            types=force_field.types,
            combining=force_field.combining,
        )
        return changed.energy(butane.topology, positions)

    ones = jnp.ones(len(force_field.types))
    arguments = (ones, ones, jnp.array(0.5), jnp.array(0.7), jnp.asarray(butane.positions[1]))
    check_grads(energy, arguments, order=1, modes=("fwd", "rev"), atol=1e-4, rtol=1e-5, eps=1e-6)


def test_nothing_is_nan_where_atoms_coincide():
    pair = bp.Topology(("CH3", "H"), ())

    def boltzmann(force_field, positions):
        return jnp.exp(-jnp.minimum(force_field.energy(pair, positions), 1e3) / 2.5)

    @jax.jit
    @jax.vmap
    def energy_and_slopes(r):
        positions = jnp.zeros((2, 3)).at[1, 0].set(r)
        return OPLS.energy(pair, positions), jax.grad(boltzmann, argnums=(0, 1))(OPLS, positions)

    found = energy_and_slopes(jnp.array([0.0, 1e-300, 1e-12, 1e-6, 1e-3, 0.1, 1.0, 1e6]))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


def test_moving_and_turning_a_molecule_changes_nothing():
    molecule = MOLECULES["decalin"]
    turned, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))
    for positions in molecule.positions:
        energies = [float(OPLS.energy(molecule.topology, x)) for x in (positions, positions @ turned.T + 5.0)]
        assert energies[1] == pytest.approx(energies[0], rel=1e-9)


def test_a_force_field_is_a_tree():
    leaves, structure = jax.tree.flatten(OPLS)
    again = jax.tree.unflatten(structure, leaves)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert again.types == OPLS.types
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.01 * leaf]), OPLS)
    butane = MOLECULES["butane"]
    found = jax.vmap(lambda force_field: force_field.energy(butane.topology, butane.positions[0]))(stack)
    assert float(found[0]) == pytest.approx(float(OPLS.energy(butane.topology, butane.positions[0])), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.OneFourScaling(-0.5, 0.5), r"OneFourScaling: coulomb must be finite and zero or more, found -0\.5"),
        (lambda: bp.OneFourScaling(0.5, float("nan")), "lennard_jones must be finite and zero or more, found nan"),
        (lambda: bp.OPLS_ONE_FOUR(bp.LennardJones(1.0, 3.0)), "must be a NonbondedForceField, found LennardJones"),
        (lambda: bp.OPLS_ONE_FOUR.over(bp.OneFourScaling(0.0, 0.5)), r"factors greater than zero, found 0\.0 and 0\.5"),
        (
            lambda: bp.NonbondedForceField([0.0], [3.0], [1.0], types=("A", "B")),
            r"each of the 2 types A, B, found the shapes \(1,\)",
        ),
        (lambda: bp.NonbondedForceField([0.0, 0.0], [3.0, 3.0], [1.0, 1.0], types=("A", "A")), "and every type once"),
        (lambda: bp.NonbondedForceField([0.0], [3.0], [1.0], -1.0, types=("A",)), "coulomb_one_four must be zero or more"),
        (lambda: bp.NonbondedForceField([0.0], [-3.0], [1.0], types=("A",)), "sigma must be greater than zero"),
        (lambda: OPLS.with_factors({"CT": 1.0}), "one of the types CH3, CH2, CH, H, found 'CT': correct the name"),
        (lambda: OPLS.places(bp.Topology(("CH3", "OH"), ((0, 1),))), "atom 1 must be of one of the types .*, found 'OH'"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
