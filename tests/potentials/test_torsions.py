"""Torsions against OpenMM's forces, published profiles and one another."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayesff.potentials as bp
from bayesff.errors import ParameterError

ANGLES = np.deg2rad(np.linspace(0.0, 350.0, 24))
KCAL = 4.184

TORSIONS: dict[str, bp.TorsionPotential] = {
    "fourier": bp.FourierTorsion([1.0, -2.0, 0.3, 4.0], [0.0, 0.7, 0.0, -0.2]),
    "opls": bp.OPLSTorsion(v1=1.522 * KCAL, v2=-0.315 * KCAL, v3=3.207 * KCAL, v4=0.4, v0=-0.3),
    "periodic": bp.PeriodicTorsion([0.65, 1.1, 0.4], [0.0, np.pi, 1.2], constant=0.2, multiplicities=(3, 2, 1)),
    "ryckaert_bellemans": bp.RyckaertBellemans(9.2789, 12.156, -13.12, -3.0597, 26.24, -31.495),
}
ALL = pytest.mark.parametrize("name", TORSIONS)
EVEN = pytest.mark.parametrize("name", ["opls", "ryckaert_bellemans"])


def energies(torsion):
    return np.asarray(jax.vmap(torsion.torsion_energy)(ANGLES))


@functools.cache
def openmm_energies(kind):
    """Energies [kJ/mol] by OpenMM of the torsions above, at the angles of four atoms placed with them."""
    openmm = pytest.importorskip("openmm")
    system = openmm.System()
    for _ in range(4):
        system.addParticle(12.0)
    torsion = TORSIONS[kind]
    if kind == "periodic":
        force = openmm.PeriodicTorsionForce()
        for k, phase, n in zip(torsion.amplitudes, torsion.phases, torsion.multiplicities, strict=True):
            force.addTorsion(0, 1, 2, 3, n, float(phase), float(k))
    else:
        force = openmm.RBTorsionForce()
        force.addTorsion(0, 1, 2, 3, *(float(c) for c in jax.tree.leaves(torsion)))
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    found = []
    for phi in ANGLES:
        # Looking along the bond from the second to the third atom: the first one up, the last one turned clockwise by phi.
        context.setPositions([(0.1, 0, -0.05), (0, 0, 0), (0, 0, 0.15), (0.1 * np.cos(phi), 0.1 * np.sin(phi), 0.2)])
        found.append(context.getState(energy=True).getPotentialEnergy()._value)
    return np.array(found)


@pytest.mark.parametrize("kind", ["periodic", "ryckaert_bellemans"])
def test_openmm_has_the_same_energies(kind):
    """Its periodic torsion knows no constant, and its Ryckaert-Bellemans angle is zero at trans as well."""
    constant = float(getattr(TORSIONS[kind], "constant", 0.0))
    np.testing.assert_allclose(energies(TORSIONS[kind]), openmm_energies(kind) + constant, atol=1e-9)


@pytest.mark.parametrize(
    ("torsion", "published"),
    [
        (bp.OPLSTorsion(v1=1.522, v2=-0.315, v3=3.207), {0: 4.729, 63.8: 0.875, 180: 0.0}),
        (bp.OPLSTorsion(v1=1.411036, v2=-0.271016, v3=3.145034), {0: 4.556, 63.4: 0.830, 180: 0.0}),
        (bp.RyckaertBellemans(9.2789, 12.156, -13.12, -3.0597, 26.24, -31.495), {0: 10.707 * KCAL, 60: 0.700 * KCAL, 180: 0.0}),
    ],
    ids=["OPLS-UA", "TraPPE-UA", "Ryckaert-Bellemans"],
)
def test_profiles_of_butane(torsion, published):
    """Energies of the cis and gauche conformers above trans: W. L. Jorgensen et al., J. Am. Chem. Soc. 106, 6638 (1984); M. G.
    Martin, J. I. Siepmann, J. Phys. Chem. B 102, 2569 (1998); J.-P. Ryckaert, A. Bellemans, Chem. Phys. Lett. 30, 123 (1975)."""
    unit = KCAL if isinstance(torsion, bp.RyckaertBellemans) else 1.0
    for degree, energy in published.items():
        assert float(torsion.torsion_energy(np.deg2rad(degree))) == pytest.approx(energy, abs=0.0015 * unit)


@ALL
def test_a_torsion_is_periodic_and_its_derivatives_are_finite(name):
    torsion = TORSIONS[name]
    again = jax.vmap(torsion.torsion_energy)(ANGLES + 2 * np.pi)
    np.testing.assert_allclose(again, energies(torsion), atol=1e-11)
    assert torsion.torsion_energy(1.0).shape == ()
    slopes = jax.vmap(jax.grad(lambda t, phi: t.torsion_energy(phi)), in_axes=(None, 0))(torsion, ANGLES)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))
    leaves, structure = jax.tree.flatten(torsion)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    np.testing.assert_array_equal(energies(jax.tree.unflatten(structure, leaves)), energies(torsion))


@EVEN
@pytest.mark.parametrize("kind", [bp.PeriodicTorsion, bp.FourierTorsion, bp.RyckaertBellemans])
def test_conversions_round_trip(name, kind):
    torsion = TORSIONS[name]
    converted = kind.from_torsion(torsion)
    np.testing.assert_allclose(energies(converted), energies(torsion), atol=1e-11)
    back = type(torsion).from_torsion(converted)
    np.testing.assert_allclose(jax.tree.leaves(back), jax.tree.leaves(torsion), atol=1e-11)


def test_sines_survive_the_way_through_amplitudes_and_phases():
    torsion = TORSIONS["fourier"]
    back = bp.FourierTorsion.from_torsion(bp.PeriodicTorsion.from_torsion(torsion))
    np.testing.assert_allclose(back.cosines, torsion.cosines, atol=1e-12)
    np.testing.assert_allclose(back.sines, torsion.sines, atol=1e-12)


def test_conversion_is_differentiable():
    slope = jax.jit(jax.grad(lambda v3: bp.RyckaertBellemans.from_torsion(bp.OPLSTorsion(1.0, 0.5, v3)).c3))(2.0)
    assert float(slope) == pytest.approx(-2.0)  # v3/2 cos 3phi holds 2 v3 cos(phi)**3


def test_torsions_add_and_are_multiplied():
    a, b = TORSIONS["opls"], TORSIONS["periodic"]
    np.testing.assert_allclose(energies(a + b), energies(a) + energies(b), atol=1e-12)
    np.testing.assert_allclose(
        energies(b + TORSIONS["ryckaert_bellemans"] + a), energies(TORSIONS["ryckaert_bellemans"] + (a + b))
    )
    np.testing.assert_allclose(energies(np.float64(0.5) * a), energies(a) / 2, atol=1e-12)
    np.testing.assert_allclose(energies(a * jnp.asarray(0.0)), 0.0)
    with pytest.raises(TypeError):
        a + 1.0


def test_a_torsion_from_named_coefficients():
    found = bp.torsion_from("periodic", {"k3": 0.65, "k2": 1.1, "phase2": np.pi})
    np.testing.assert_allclose(
        energies(found), energies(bp.PeriodicTorsion([1.1, 0.65], [np.pi, 0.0], multiplicities=(2, 3))), atol=1e-12
    )
    bellemans = dict(zip(("c0", "c1", "c2", "c3", "c4", "c5"), jax.tree.leaves(TORSIONS["ryckaert_bellemans"]), strict=True))
    np.testing.assert_allclose(
        energies(bp.torsion_from("ryckaert_bellemans", bellemans)), energies(TORSIONS["ryckaert_bellemans"])
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: bp.torsion_from("opls", {"c0": 9.3, "c1": 12.2}),
            "'c0' is no coefficient of the convention opls: it is one of ryck",
        ),
        (lambda: bp.torsion_from("ryckaert_bellemans", {"k2": 9.3}), "it is one of periodic: say so, and convert"),
        (lambda: bp.torsion_from("opls", {"w1": 9.3}), "use v1, v2, v3, v4, v0"),
        (lambda: bp.torsion_from("OPLS", {}), "must be one of opls, ryckaert_bellemans, periodic, found 'OPLS'"),
        (lambda: bp.OPLSTorsion.from_torsion(TORSIONS["ryckaert_bellemans"]), "no multiples of the angle above 4, found 1.968"),
        (lambda: bp.RyckaertBellemans.from_torsion(TORSIONS["fourier"]), "this convention has no sines, found 0.7 kJ/mol"),
        (lambda: bp.PeriodicTorsion([1.0], [0.0], multiplicities=(0,)), "a whole number greater than zero, found 0"),
        (lambda: bp.PeriodicTorsion([1.0], [0.0], multiplicities=(1, 2)), "each of the 2 multiplicities, found the shapes"),
        (lambda: bp.FourierTorsion([1.0, 2.0], [0.0]), "as many sines as cosines"),
        (lambda: bp.OPLSTorsion(np.nan, 0.0, 0.0), "v1 must be finite, found nan kJ/mol"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
