"""Pairs by the number of bonds between them, and the geometry of saturated hydrocarbons."""

import numpy as np
import pytest

import bayesff.potentials as bp
from bayesff.errors import ParameterError
from bayesff.potentials.alkanes import CARBON_BOND, HYDROGEN_BOND, next_torsions
from bayesff.units import convert

BUTANES = bp.alkane([(180.0,), (0.0,), (60.0,), (-75.0,)])
RINGS = bp.cyclohexane(["chair", 0.0, 60.0, 20.0, 33.16, -70.0])
DECALINS = bp.decalin([(i, a, b) for i in ("trans", "cis") for a in ("chair", "boat_1") for b in ("chair", "boat_2")])
MOLECULES = pytest.mark.parametrize("molecule", [BUTANES, RINGS, DECALINS], ids=["butane", "cyclohexane", "decalin"])


def by_walking(topology):
    """Bonds between atoms by relaxation, in place of scipy's search."""
    number = topology.num_atoms
    found = np.full((number, number), np.inf)
    np.fill_diagonal(found, 0)
    for i, j in topology.bonds:
        found[i, j] = found[j, i] = 1
    for middle in range(number):
        found = np.minimum(found, found[:, [middle]] + found[[middle]])
    return np.where(np.isinf(found), -1, found)


def torsion(a, b, c, d):
    first, second, third = b - a, c - b, d - c
    one, two = np.cross(first, second), np.cross(second, third)
    return np.rad2deg(np.arctan2(np.cross(one, two) @ second / np.linalg.norm(second), one @ two))


@MOLECULES
def test_every_pair_is_of_one_kind(molecule):
    topology = molecule.topology
    np.testing.assert_array_equal(topology.separations, by_walking(topology))
    kinds = [topology.pairs(1), topology.pairs(2), topology.one_four, topology.beyond]
    everything = sorted(map(tuple, np.concatenate(kinds).tolist()))
    assert everything == [(i, j) for i in range(topology.num_atoms) for j in range(i + 1, topology.num_atoms)]
    assert sorted(map(tuple, topology.pairs(1).tolist())) == sorted(topology.bonds)


def test_counts_of_an_alkane():
    """Of a chain of n carbons: three hydrogens a carbon and two more, and nine 1-4 pairs about each of its n - 1 bonds."""
    for number in range(2, 8):
        topology = bp.all_atoms(number, bp.chain_bonds(number))
        assert topology.num_atoms == 3 * number + 2
        assert len(topology.pairs(2)) == 6 * number
        assert len(topology.one_four) == 9 * (number - 1)


def test_a_ring_pair_has_the_shorter_way():
    ring = bp.united_atoms(6, bp.CYCLOHEXANE_BONDS)
    assert ring.separations.max() == 3
    assert ring.one_four.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert ring.beyond.tolist() == []
    assert bp.united_atoms(7, [(i, (i + 1) % 7) for i in range(7)]).separations.max() == 3


def test_atoms_that_no_bonds_join_are_beyond():
    apart = bp.Topology(("Na", "Cl", "Cl"), ())
    assert apart.beyond.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert bp.Topology(("A",) * 4, ((0, 1), (2, 3))).beyond.tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
    assert bp.Conformations(bp.Topology(("Ar",), ()), np.zeros((1, 1, 3))).closest().tolist() == [np.inf]


@MOLECULES
def test_bonds_have_their_lengths_and_angles_are_tetrahedral(molecule):
    topology, positions = molecule.topology, molecule.positions
    for i, j in topology.bonds:
        wanted = HYDROGEN_BOND if topology.atoms[j] == "H" else CARBON_BOND
        np.testing.assert_allclose(np.linalg.norm(positions[:, i] - positions[:, j], axis=1), wanted, atol=1e-12)
    for centre, around in enumerate(topology.neighbours):
        directions = positions[:, list(around)] - positions[:, [centre]]
        directions /= np.linalg.norm(directions, axis=2, keepdims=True)
        cosines = np.einsum("nad,nbd->nab", directions, directions)[:, *np.triu_indices(len(around), 1)]
        np.testing.assert_allclose(cosines, -1 / 3, atol=1e-10)


def test_torsions_are_those_asked_for():
    found = [torsion(*positions[:4]) for positions in BUTANES.positions]
    np.testing.assert_allclose(np.mod(found, 360), [180.0, 0.0, 60.0, 285.0], atol=1e-9)
    np.testing.assert_allclose([torsion(*ring[:4]) for ring in RINGS.positions], [60, 0, 60, 20, 33.16, -70], atol=1e-9)


def test_rings_are_chairs_and_boats():
    """Torsions along the ring: those of a chair alternate, those of a boat repeat after half of it."""

    def around(ring):
        return [torsion(*(ring[(i + k) % 6] for k in range(4))) for i in range(6)]

    np.testing.assert_allclose(around(RINGS.positions[0]), [60, -60] * 3, atol=1e-9)
    np.testing.assert_allclose(np.abs(around(RINGS.positions[1])), [0, 60, 60] * 2, atol=1e-9)
    assert sum(around(RINGS.positions[1])) == pytest.approx(0.0, abs=1e-9)
    for ring in RINGS.positions[1:]:
        np.testing.assert_allclose(around(ring)[:3], around(ring)[3:], atol=1e-9)
    np.testing.assert_allclose(np.rad2deg(next_torsions(np.deg2rad(-60.0))), [60.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(sorted(around(RINGS.positions[4]))[2:], 33.16, atol=0.01)  # a twist-boat has two axes more


def test_trans_decalin_has_a_centre_of_inversion_and_cis_an_axis():
    chairs = bp.decalin([("trans", "chair", "chair"), ("cis", "chair", "chair")])
    trans, cis = chairs.positions - chairs.positions.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(trans[:, None] + trans[None], axis=2).min(axis=1), 0.0, atol=1e-9)
    assert np.linalg.norm(cis[:, None] + cis[None], axis=2).min(axis=1).max() > 0.5
    hydrogens = [next(j for j in chairs.topology.neighbours[carbon] if chairs.topology.atoms[j] == "H") for carbon in (1, 2)]
    for positions, wanted in ((trans, 180.0), (cis, 60.0)):
        assert abs(torsion(positions[hydrogens[0]], positions[1], positions[2], positions[hydrogens[1]])) == pytest.approx(wanted)


def test_opls_alkanes_are_neutral_and_have_the_published_parameters():
    opls = bp.opls_alkanes()
    for molecule in (BUTANES, RINGS, DECALINS):
        assert float(opls.net_charge(molecule.topology)) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(convert(np.asarray(opls.epsilon), "kJ/mol", "kcal/mol"), [0.066, 0.066, 0.066, 0.03])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.Topology((), ()), "Topology: a molecule needs at least one atom, found none"),
        (
            lambda: bp.Topology(("C",) * 3, ((0, 3),)),
            r"join two of the 3 atoms, counted from 0, found \(0, 3\): correct the bond",
        ),
        (lambda: bp.Topology(("C",) * 3, ((0, -1),)), r"join two of the 3 atoms, counted from 0, found \(0, -1\)"),
        (lambda: bp.Topology(("C",) * 3, ((1, 1),)), r"found \(1, 1\), which joins an atom to itself: leave it out"),
        (lambda: bp.Topology(("C",) * 3, ((0, 1), (1, 0))), r"found \(1, 0\), which is there already"),
        (lambda: bp.Conformations(bp.Topology(("C",), ()), np.zeros((2, 3))), r"each of the 1 atoms .* shape \(2, 3\)"),
        (lambda: bp.Conformations(bp.Topology(("C",), ()), np.full((1, 1, 3), np.nan)), "one finite position is needed"),
        (lambda: bp.united_atoms(6, [(0, i) for i in range(1, 6)]), "four bonds at most, found 5 of carbon 0"),
        (lambda: bp.alkane([(180.0,), (180.0, 60.0)]), r"the same number of torsions, found \[1, 2\]"),
        (lambda: bp.alkane([]), r"the same number of torsions, found \[\]"),
        (lambda: bp.cyclohexane(["boat"]), "must be 'chair' or a torsion in degrees, found 'boat'"),
        (lambda: bp.cyclohexane([75.0]), "must have torsions within about 70.5 degrees, found 75: give a smaller one"),
        (lambda: bp.decalin([("trans", "chair", "boat")]), r"for either ring, found \('trans', 'chair', 'boat'\)"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
