"""A reference simulation as a description of all that decides its frames, and as a task that makes them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from bayesff.ensembles.pair_fluid import PairFluid, Phase
from bayesff.ensembles.pair_statistics import PairGrid
from bayesff.ensembles.phases import check_fluid
from bayesff.ensembles.references import PairEnsemble
from bayesff.errors import ParameterError
from bayesff.potentials.description import describe

_MELTING = 3.0
"""Temperature at which the lattice melts, over that of the simulation."""


@dataclass(frozen=True)
class Simulation:
    """A reference simulation that can be run, and run again with the same frames.

    It starts on a lattice, which melts at three times the temperature: at its own, a crystal that is denser than the freezing
    liquid may last for the whole simulation. What is not yet in equilibrium afterwards is left out, see
    `PairEnsemble.from_trajectory`.

    Parameters
    ----------
    fluid
        What is simulated; its class is the engine: `PairFluid` or `OpenMMFluid`.
    grid
        Nodes of the pair statistics.
    seed
        Seed of the velocities and the thermostat.
    num_replicas
        Boxes that are simulated side by side.
    num_frames
        Frames that are kept of each.
    stride
        Steps between two frames.
    num_warm
        Frames before the first that is kept, half of them hot.

    Raises
    ------
    ParameterError
        If a number is not positive.
    """

    fluid: PairFluid
    grid: PairGrid
    seed: int
    num_replicas: int = 4
    num_frames: int = 250
    stride: int = 50
    num_warm: int = 50

    def __post_init__(self) -> None:
        for name in ("num_replicas", "num_frames", "stride", "num_warm"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"Simulation: {name} must be greater than zero, found {getattr(self, name)}")

    @property
    def description(self) -> dict[str, Any]:
        """All that decides the frames, as plain data."""
        fluid = {name: value for name, value in vars(self.fluid).items() if name != "potential"}
        settings = {name: getattr(self, name) for name in ("seed", "num_replicas", "num_frames", "stride", "num_warm")}
        return {
            "engine": self.fluid.engine,
            "potential": describe(self.fluid.potential),
            "fluid": {name: value if isinstance(value, int) else float(value) for name, value in fluid.items()},
            "grid": asdict(self.grid),
            "melting": _MELTING,
            **settings,
        }

    @property
    def key(self) -> str:
        """A name that two simulations have in common only if they are the same."""
        return hashlib.sha256(json.dumps(self.description, sort_keys=True).encode()).hexdigest()[:16]

    def run(self) -> PairEnsemble:
        """Simulate, and keep what is in equilibrium.

        Raises
        ------
        NumericalError
            If the integration has left the rails, see `PairFluid.simulate`.
        StateError
            If the box has frozen or has two phases, see `bayesff.ensembles.phases`.
        """
        *first, kept = jax.random.split(jax.random.key(self.seed), 4)
        made = self.fluid.simulate(self.start(first), kept, self.num_frames, self.stride, self.grid)
        found = PairEnsemble.from_trajectory(self.fluid, made, self.grid)
        check_fluid(found)
        return found

    def start(self, keys: Sequence[PRNGKeyArray]) -> Phase:
        """Return where the first frame is counted from: a lattice, molten and cooled, by three keys.

        Raises
        ------
        NumericalError
            If the integration has left the rails, see `PairFluid.simulate`.
        """
        lattice, hot, warm = keys
        start = self.fluid.lattice(lattice, self.num_replicas)
        melting = replace(self.fluid, temperature=_MELTING * self.fluid.temperature)
        start = melting.simulate(start, hot, (self.num_warm + 1) // 2, self.stride, self.grid).last
        return self.fluid.simulate(start, warm, (self.num_warm + 1) // 2, self.stride, self.grid).last

    @property
    def num_steps(self) -> int:
        """Steps of all replicas together."""
        return int(np.prod([self.num_replicas, self.stride, self.num_warm + self.num_frames]))
