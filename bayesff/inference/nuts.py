"""The No-U-Turn sampler, started at the mode in whitened coordinates."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray, ScalarLike
from numpyro.infer.hmc import hmc
from numpyro.infer.util import ParamInfo

from bayesff.inference.coordinates import Coordinates, compile_coordinates, fisher_information
from bayesff.inference.diagnostics import settled
from bayesff.inference.evidence import Evidence, bridge
from bayesff.inference.method import Method
from bayesff.inference.mode import Energies, Mode, compile_energies, find_modes, num_points
from bayesff.inference.posterior import Progress, Sample
from bayesff.inference.target import Observed, Target, seldom_run, silent

CAREFUL = (0.98, 0.995)
"""Acceptance probabilities that the steps are adapted to, one after the other, while some draws diverge."""

CHUNK = 20
"""Steps between two reports of the progress; one number, so that one program serves runs of any length."""

NUM_INFORMATION_DRAWS = 100
"""Draws at which the Fisher information is kept."""

Reported = Callable[[Float[Array, "problem chain draw dim"]], Float[np.ndarray, "problem chain draw scalar"]]
"""What is reported of draws: sizes and biases as they are, and not the coordinates that they are made of."""


class Compiled(NamedTuple):
    """What is compiled for a target, each function when it is first called.

    The gradient at a batch of points, the coordinates about a mode, points in them, the same with their derivatives, what a point
    is in them, the first states of chains, and the next ones; each for several problems. At last the Fisher information of one
    problem at points.
    """

    energies: Energies
    coordinates: Callable[[Mode, Observed], Coordinates]
    locate: Callable[[Coordinates, Array], tuple[Array, Array]]
    place: Callable[[Coordinates, Array], Any]
    whiten: Callable[[Coordinates, Array], Array]
    initialise: Callable[..., Any]
    advance: Callable[..., Any]
    information: Callable[[Coordinates, Array], Array]


def over_points(function: Callable[..., Any], problems: tuple[Any, ...], *points: Any) -> Any:
    """Return ``function(*problem, *point)`` for several problems and several points of each.

    Leaves of ``problems`` have the leading axis ``problem``; those of ``points``, and of what is returned, have ``problem`` and
    ``point``. The two are one axis meanwhile: a batch of batches would take three times as long to trace.
    """
    shape = jax.tree.leaves(points)[0].shape[:2]
    repeated = jax.tree.map(lambda leaf: jnp.repeat(leaf, shape[1], axis=0), problems)
    merged = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), points)
    found = jax.vmap(function)(*repeated, *merged)
    return jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), found)


def _keys_of_draws(key: PRNGKeyArray, num_problems: int) -> Key[Array, " problem"]:
    return jax.random.split(jax.random.split(key)[1], num_problems)


def _enough(drawn: dict[str, Array], reported: Reported | None) -> bool:
    """Return whether chains may end; what takes longer to compute is looked at last."""
    return settled(np.asarray(drawn["watched"])) and (reported is None or settled(reported(drawn["z"])))


def _sample(drawn: dict[str, Array], mode_converged: Array, other_mode: Array, evidence: dict[str, float]) -> Sample:
    statistics = {name: column for name, column in drawn.items() if name not in ("z", "w", "watched", "whitened_lp")}
    facts = {"method": "NUTS", "mode_converged": int(mode_converged), "other_mode": float(other_mode)}
    return Sample(drawn["z"], statistics, {**facts, **evidence})


@dataclass(frozen=True)
class NUTS(Method):
    """NUTS (NumPyro's) in coordinates whitened by the Laplace approximation at the mode, adapting the scale of each.

    The coordinates are whitened again at every size of the errors, see `bayesff.inference.coordinates`. A posterior of which some
    draws diverge is sampled again with smaller steps, see `CAREFUL`.

    Parameters
    ----------
    num_warmup
        Steps of each chain in which the step size and the mass matrix adapt; they are discarded.
    num_draws
        Draws of each chain.
    num_chains
        Number of chains; they run side by side in one vectorised computation, from points drawn about the mode; every second one
        from another mode, where there is one.
    target_accept_prob
        Acceptance probability that the step size is adapted to.
    max_tree_depth
        Doublings of a trajectory at most.
    max_draws
        Draws of each chain at most, where the chains go on, ``num_draws`` at a time, until R-hat and effective sample sizes pass
        of all coordinates, and of whatever else is ``reported`` (see `sample_several`); none are added if not given.

    References
    ----------
    M. D. Hoffman, A. Gelman, J. Mach. Learn. Res. 15, 1593 (2014).
    """

    num_warmup: int = 500
    num_draws: int = 1000
    num_chains: int = 4
    target_accept_prob: float = 0.85
    max_tree_depth: int = 10
    max_draws: int | None = None

    def sample(self, target: Target, key: PRNGKeyArray, progress: Progress = silent) -> Sample:
        observed = {name: values[None] for name, values in target.observed.items()}
        return CarefulNUTS(self, target).sample_several(observed, key, progress)[0]

    def sample_several(
        self,
        target: Target,
        observed: Observed,
        key: PRNGKeyArray,
        progress: Progress = silent,
        compiled: Compiled | None = None,
        modes: Mode | None = None,
        reported: Reported | None = None,
    ) -> list[Sample]:
        """Draw from several posteriors that differ in the measured values only, side by side in one vectorised computation.

        Parameters
        ----------
        target
            The posterior.
        observed
            Measured values by term, (problem, datum); what is NaN is left out.
        key
            Random key.
        progress
            Called as ``progress(stage, done, total)``.
        compiled
            What `compile` returned for this target, to be used again.
        modes
            What `modes` returned for them; they are searched for if not given.
        reported
            What of the draws is judged beside the coordinates, where chains may go on.

        Returns
        -------
        list of Sample
            With the attributes ``log_z`` and ``log_z_sd``, the evidence by bridge sampling.
        """
        compiled = self.compile(target) if compiled is None else compiled
        modes = self.modes(compiled, target, observed, key, progress) if modes is None else modes
        keys = _keys_of_draws(key, len(modes.location))
        coordinates, drawn = self._draw(compiled, modes, observed, keys, progress, reported)
        samples = []
        for index in range(len(keys)):
            own_coordinates, own_observed = jax.tree.map(
                lambda leaf, index=index: leaf[index : index + 1], (coordinates, observed)
            )
            own = {name: column[index] for name, column in drawn.items()}
            evidence = self._evidence(compiled, own_coordinates, own_observed, own, keys[index])
            sample = _sample(own, modes.converged[index], modes.share[index], {"log_z": evidence.log_z, "log_z_sd": evidence.sd})
            samples.append(replace(sample, information=self._information(compiled, target, own_coordinates, own["z"])))
        return samples

    def draw_several(
        self, target: Target, observed: Observed, key: PRNGKeyArray
    ) -> tuple[Float[Array, "problem chain draw dim"], Float[Array, " problem"]]:
        """Draw from several posteriors as `sample_several` does, and return the draws, and the share that another mode holds."""
        compiled = self.compile(target)
        modes = self.modes(compiled, target, observed, key)
        drawn = self._draw(compiled, modes, observed, _keys_of_draws(key, len(modes.location)), silent)[1]
        return drawn["z"], modes.share

    @staticmethod
    def modes(compiled: Compiled, target: Target, observed: Observed, key: PRNGKeyArray, progress: Progress = silent) -> Mode:
        """Return the modes of several posteriors, as `sample_several` finds them with this key."""
        progress("mode", 0, 1)
        modes = find_modes(target, jax.random.split(key)[0], observed, compiled.energies)
        progress("mode", 1, 1)
        return modes

    def sample_from(
        self, target: Target, mode: Mode, key: PRNGKeyArray, progress: Progress = silent, compiled: Compiled | None = None
    ) -> Sample:
        """Draw from a target whose mode is known, without the evidence; what was ``compiled`` before may be used again."""
        compiled = self.compile(target) if compiled is None else compiled
        modes, observed = jax.tree.map(lambda leaf: leaf[None], (mode, target.observed))
        _, drawn = self._draw(compiled, modes, observed, key[None], progress)
        return _sample({name: column[0] for name, column in drawn.items()}, mode.converged, mode.share, {})

    def _draw(
        self,
        compiled: Compiled,
        modes: Mode,
        observed: Observed,
        keys: Key[Array, " problem"],
        progress: Progress,
        reported: Reported | None = None,
    ) -> tuple[Coordinates, dict[str, Array]]:
        """Return the coordinates and what was drawn in them, (problem, chain, draw)."""
        coordinates = compiled.coordinates(modes, observed)
        states = self.start(compiled, coordinates, observed, keys)
        total = self.num_warmup + self.num_draws
        kept: list[dict[str, Array]] = []
        while True:
            while (done := CHUNK * len(kept)) < total:  # what the last chunk draws too many is cut off
                progress("sampling", done, total)
                states, drawn = compiled.advance(coordinates, observed, self.target_accept_prob, states)
                kept.append(jax.block_until_ready(drawn))
            rows = slice(self.num_warmup, total)
            drawn = {name: jnp.concatenate([part[name] for part in kept])[rows] for name in kept[0]}
            drawn = {name: jnp.moveaxis(column, 0, 2) for name, column in drawn.items()}
            longer = total + self.num_draws
            if longer - self.num_warmup > (self.max_draws or 0) or _enough(drawn, reported):
                progress("sampling", total, total)
                return coordinates, drawn
            total = longer

    def _evidence(
        self, compiled: Compiled, coordinates: Coordinates, observed: Observed, drawn: dict[str, Array], key: PRNGKeyArray
    ) -> Evidence:
        """Return the evidence of one problem, whose leading axis is kept."""
        size = drawn["w"].shape[-1]
        batch = num_points(size)

        def evaluate(points: np.ndarray) -> np.ndarray:
            rounds = math.ceil(len(points) / batch)
            filled = np.concatenate([points, np.zeros((rounds * batch - len(points), size))])
            found = []
            for part in np.split(filled, rounds):
                z, log_volume = compiled.locate(coordinates, jnp.asarray(part)[None])
                found.append(np.asarray(log_volume - compiled.energies(z, observed)[0])[0])
            return np.concatenate(found)[: len(points)]

        seed = np.asarray(jax.random.key_data(jax.random.fold_in(key, 1))).tolist()
        return bridge(np.asarray(drawn["w"]), np.asarray(drawn["whitened_lp"]), evaluate, np.random.default_rng(seed))

    @staticmethod
    def _information(
        compiled: Compiled, target: Target, coordinates: Coordinates, z: Float[Array, "chain draw dim"]
    ) -> Float[np.ndarray, "point parameter parameter"] | None:
        """Return the Fisher information at some draws; with partial pooling it is no question that is asked."""
        if target.problem.is_pooled_partially:
            return None
        flat = z.reshape(-1, target.size)
        kept = np.linspace(0, len(flat) - 1, NUM_INFORMATION_DRAWS).astype(int)
        return np.asarray(compiled.information(jax.tree.map(lambda leaf: leaf[0], coordinates), flat[kept]))

    def start(self, compiled: Compiled, coordinates: Coordinates, observed: Observed, keys: Key[Array, " problem"]) -> Any:
        """Return the states (problem, chain) of all chains of each of several problems, at points drawn about the modes.

        Where there is another mode, every second chain starts there: if they do not meet, R-hat says so.
        """
        num_problems, size = coordinates.mode.location.shape
        split = jax.vmap(jax.random.split)(keys)
        w = jax.vmap(lambda key: jax.random.normal(key, (self.num_chains, size)))(split[:, 0])
        at_other = (coordinates.mode.share[:, None] > 0) & (np.arange(self.num_chains) % 2 == 1)
        w = jnp.where(at_other[..., None], compiled.whiten(coordinates, coordinates.mode.other)[:, None], w)
        (z, log_volume), (stretch, swell) = compiled.place(coordinates, w)
        # The points go in batches of the size that the mode was found with, for which the gradient is compiled.
        batch = num_points(size)
        rounds = math.ceil(self.num_chains / batch)
        filled = jnp.zeros((num_problems, rounds * batch, size)).at[:, : self.num_chains].set(z)
        found = [compiled.energies(part, observed)[:2] for part in jnp.split(filled, rounds, axis=1)]
        value, gradient = (jnp.concatenate(part, axis=1)[:, : self.num_chains] for part in zip(*found, strict=True))
        slope = jnp.einsum("pcji,pcj->pci", stretch, gradient) - swell
        chain_keys = jax.vmap(lambda key: jax.random.split(key, self.num_chains))(split[:, 1])
        return compiled.initialise(coordinates, observed, w, value - log_volume, slope, chain_keys)

    def compile(self, target: Target) -> Compiled:
        """Return the functions of a target that are traced and compiled once, when they are first called.

        Samplers that differ in the numbers of draws and in the acceptance probability may share them.
        """
        initialise, step = self.kernel(target)

        def advance(
            coordinates: Coordinates, observed: Observed, target_accept_prob: ScalarLike, states: Any
        ) -> tuple[Any, dict[str, Array]]:
            def body(states: Any, _: None) -> tuple[Any, dict[str, Array]]:
                return over_points(partial(step, target_accept_prob), (coordinates, observed), states)

            return jax.lax.scan(body, states, None, length=CHUNK)

        def states(coordinates: Coordinates, observed: Observed, *points: Array) -> Any:
            return over_points(initialise, (coordinates, observed), *points)

        def locate(coordinates: Coordinates, w: Float[Array, " dim"]) -> tuple[Array, Array]:
            return coordinates.unwhiten(target, w)

        def place(coordinates: Coordinates, w: Float[Array, " dim"]) -> tuple[Any, Any]:
            unwhiten = partial(locate, coordinates)
            return unwhiten(w), jax.jacfwd(unwhiten)(w)

        information = jax.vmap(partial(fisher_information, target), in_axes=(None, 0))

        def locations(coordinates: Coordinates, w: Float[Array, "problem point dim"]) -> tuple[Array, Array]:
            return over_points(locate, (coordinates,), w)

        def places(coordinates: Coordinates, w: Float[Array, "problem point dim"]) -> tuple[Any, Any]:
            return over_points(place, (coordinates,), w)

        energies = compile_energies(target)
        return Compiled(
            energies,
            compile_coordinates(target, energies),
            jax.jit(locations, compiler_options=seldom_run()),
            jax.jit(places, compiler_options=seldom_run()),
            jax.jit(jax.vmap(lambda own, z: own.whiten(target, z)), compiler_options=seldom_run()),
            jax.jit(states, compiler_options=seldom_run()),
            jax.jit(advance),
            jax.jit(information, compiler_options=seldom_run()),
        )

    def kernel(self, target: Target) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the functions that initialise and advance one chain, to be batched by the caller.

        ``initialise(coordinates, observed, w, value, slope, key)`` takes a whitened point with the energy and its slope there
        and gives a state; ``step(target_accept_prob, coordinates, observed, state)`` gives the next one and what was drawn.
        """

        def energy(coordinates: Coordinates, observed: Observed) -> Callable[[Array], Array]:
            def potential(w: Float[Array, " dim"]) -> Float[Array, ""]:
                z, log_volume, errors = coordinates.unwhiten_with_errors(target, w)
                return -target.log_density(z, observed, errors) - log_volume

            return potential

        def prepared(
            target_accept_prob: ScalarLike, coordinates: Coordinates, observed: Observed, start: ParamInfo, key: PRNGKeyArray
        ) -> tuple[Any, Callable[..., Any]]:
            """Return the state of a chain that starts here, and the function that advances it."""
            prepare, proceed = hmc(potential_fn_gen=energy, algo="NUTS")
            state = prepare(
                start,
                self.num_warmup,
                dense_mass=False,  # the coordinates are uncorrelated already
                target_accept_prob=cast(float, target_accept_prob),  # a tracer will do: it is only subtracted from
                max_tree_depth=self.max_tree_depth,
                model_args=(coordinates, observed),
                rng_key=key,
            )
            return state, proceed

        def initialise(
            coordinates: Coordinates,
            observed: Observed,
            w: Float[Array, " dim"],
            value: Array,
            slope: Float[Array, " dim"],
            key: PRNGKeyArray,
        ) -> Any:
            return prepared(self.target_accept_prob, coordinates, observed, ParamInfo(w, value, slope), key)[0]

        def step(
            target_accept_prob: ScalarLike, coordinates: Coordinates, observed: Observed, state: Any
        ) -> tuple[Any, dict[str, Array]]:
            # NumPyro takes the acceptance probability where a chain starts. Started here again, from a state that is not used,
            # it is an argument of the program, which thus serves every one of them.
            here = ParamInfo(state.z, state.potential_energy, state.z_grad)
            _, proceed = prepared(target_accept_prob, coordinates, observed, here, state.rng_key)
            state = proceed(state, (coordinates, observed))
            z, log_volume = coordinates.unwhiten(target, state.z)
            drawn = {
                "z": z,
                "w": state.z,
                # The parameters in an environment are made of several coordinates, and may mix worse than each.
                "watched": jnp.concatenate([z, target.environment_parameters(z)]),
                "whitened_lp": -state.potential_energy,
                "diverging": state.diverging,
                "energy": state.energy,
                "n_steps": state.num_steps,
                "acceptance_rate": state.accept_prob,
                "step_size": state.adapt_state.step_size,
                "lp": -state.potential_energy - log_volume,
            }
            return state, drawn

        return initialise, step


class CarefulNUTS:
    """NUTS that samples a target again with smaller steps while some draws diverge; what was compiled for it is kept.

    Parameters
    ----------
    sampler
        The sampler that begins.
    target
        The posterior.
    """

    def __init__(self, sampler: NUTS, target: Target) -> None:
        careful = (chance for chance in CAREFUL if chance > sampler.target_accept_prob)
        self._samplers = [sampler, *(replace(sampler, target_accept_prob=chance) for chance in careful)]
        self._target = target
        self._compiled = sampler.compile(target)

    def sample_several(
        self, observed: Observed, key: PRNGKeyArray, progress: Progress = silent, reported: Reported | None = None
    ) -> list[Sample]:
        """Draw from several posteriors that differ in the measured values only, see `NUTS.sample_several`."""
        modes = NUTS.modes(self._compiled, self._target, observed, key, progress)
        samples: list[Sample] = []
        for sampler in self._samplers:
            samples = sampler.sample_several(self._target, observed, key, progress, self._compiled, modes, reported)
            if not any(np.any(sample.statistics["diverging"]) for sample in samples):
                break
        return samples
