"""How often the gate is wrong, and how much it finds: studies simulated by the thousand, judged by the gate's own functions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convscope.judging.against import reveals
from convscope.judging.gate import MIN_NETWORKS, SURVIVES, decide
from convscope.judging.intervals import crossed
from convscope.judging.names import RIVALS
from convscope.judging.signflip import ALPHA, p_values

# What differs from picture to picture, with mean 0 and standard deviation 1, and how it is spread.
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
SHAPES: dict[str, Draw] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "heavy tails": lambda random, shape: random.standard_t(5, shape) / np.sqrt(5 / 3),
    "skewed to the left": lambda random, shape: 1 - random.exponential(size=shape),
    "skewed to the right": lambda random, shape: random.exponential(size=shape) - 1,
}


@dataclass(frozen=True)
class FalseAlarms:
    """Shares of the studies, of methods that are exactly as good as both controls, and of a model that is no other.

    Attributes:
        beats: one method is said to beat one control.
        worse: one method is said to be worse than one control, asked alone.
        passes: one method is said to beat both.
        some_pass: some method is said to beat both.
        some_worse: some method is said to be worse than some control.
        revealed: some method is said to lie less on the object than for the other model, by energy or pointing game.
    """

    beats: float
    worse: float
    passes: float
    some_pass: float
    some_worse: float
    revealed: float


def _differences(random: np.random.Generator, draw: Draw, studies: int, methods: int, pictures: int) -> np.ndarray:
    """Differences of every method from every control, (studies, controls, methods, pictures), mean 0 and deviation 1.

    A control's own part is in the differences of all methods from it, and a method's in those from both controls.
    """
    own = draw(random, (studies, 1, methods, pictures))
    control = draw(random, (studies, len(RIVALS), 1, pictures))
    return (own + control) / np.sqrt(2)


def false_alarms(
    pictures: int, shape: str = "normal", *, methods: int = 6, studies: int = 2000, seed: int = 0
) -> FalseAlarms:
    """Judge studies in which there is nothing to be found.

    Args:
        pictures: of each study.
        shape: of `SHAPES`, how the differences are spread.
        methods: judged together, as good as both controls; random weights change all of their maps.
        studies: simulated.
        seed: of the simulation.
    """
    random = np.random.default_rng([seed, pictures, *map(ord, shape)])
    better, worse = p_values(_differences(random, SHAPES[shape], studies, methods, pictures))
    flat = (studies, len(RIVALS) * methods)
    outcome = decide(better.reshape(flat), worse.reshape(flat)).reshape(better.shape)
    passed = (outcome > 0).all(axis=1)
    # Two equal models: how much of a map lies on the object, and whether its maximum does, which is a hit or a miss. However
    # skewed the one is, the difference of two that are drawn alike is not.
    energy = SHAPES[shape](random, (2, studies, methods, pictures))
    hits = random.integers(0, 2, energy.shape).astype(np.float64)
    more, less = p_values(np.concatenate([energy[0] - energy[1], hits[0] - hits[1]], axis=1))
    shown, _ = reveals(more, less)
    return FalseAlarms(
        beats=float((better <= ALPHA).mean()),
        worse=float((worse <= ALPHA).mean()),
        passes=float(passed.mean()),
        some_pass=float(np.any(passed, axis=1).mean()),
        some_worse=float((outcome < 0).any(axis=(1, 2)).mean()),
        revealed=float((shown < 0).any(axis=1).mean()),
    )


def outcomes(
    effect: float, pictures: int, *, methods: int = 6, studies: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """What becomes of a method that differs from both controls by `effect` standard deviations, among others that do not.

    Returns:
        Shares of the studies in which it passes against both, is not decided, and is said to be worse than one.
    """
    random = np.random.default_rng([seed, pictures, round(1000 * abs(effect)), int(effect < 0)])
    gaps = _differences(random, SHAPES["normal"], studies, methods, pictures)
    gaps[:, :, 0] += effect
    better, worse = p_values(gaps)
    flat = (studies, len(RIVALS) * methods)
    outcome = decide(better.reshape(flat), worse.reshape(flat)).reshape(better.shape)[:, :, 0]
    failed = (outcome < 0).any(axis=1)
    passed = (outcome > 0).all(axis=1)
    return float(passed.mean()), float(1 - passed.mean() - failed.mean()), float(failed.mean())


def survival(
    left: float,
    pictures: int = 8,
    networks: int = MIN_NETWORKS,
    *,
    spreads: tuple[float, float, float] = (0.15, 0.11, 0.1),
    studies: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """What random weights say of one method of which `left` is unchanged, beyond chance, on average.

    Args:
        left: 0..1; `gate.SURVIVES` is the limit.
        pictures: explained.
        networks: with random weights.
        spreads: standard deviations from picture to picture, from network to network, and of what is left.
        studies: simulated.
        seed: of the simulation.

    Returns:
        Shares of the studies in which its map is said to change, nothing is decided, and it is said to survive.
    """
    random = np.random.default_rng([seed, pictures, networks, round(1000 * left)])
    sizes = ((pictures, 1), (1, networks), (pictures, networks))
    found = np.zeros(3)
    for _ in range(studies):
        parts = [s * random.normal(size=size) for s, size in zip(spreads, sizes, strict=True)]
        values = left + parts[0] + parts[1] + parts[2]
        above, below = crossed(values).p_values(SURVIVES)
        # The gate asks whether it survives by one of two measures.
        found[1 - int(decide(np.array([below]), np.array([min(1.0, 2 * above)]))[0])] += 1
    return tuple(float(share) for share in found / studies)  # type: ignore[return-value]
