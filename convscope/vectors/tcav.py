"""Testing with concept activation vectors (TCAV, Kim et al. 2018, 1711.11279): how a class depends on a concept, and whether it does.

What counts is the directional derivative of a class's logit along a CAV: `gradient . vector`, of every picture of the class.
"""

import dataclasses
import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convscope.vectors.cav import Cav, learn

# From which p-value on (one-sided) a CAV is told from random ones; what is said of classes is adjusted for many tests.
TOLD, SURE = 0.01, 0.05


@dataclasses.dataclass(frozen=True)
class Runs:
    """What CAVs say of the classes: of a concept against several random sets, or of the random sets against each other.

    Attributes:
        accuracy: (runs,), of the held-out examples.
        scores: (runs, classes), share of a class's pictures whose derivative is above 0.
        falling: (runs, classes), share whose derivative is below 0. Where the gradient is gone neither rises.
        sensitivity: (runs, classes), mean derivative over the mean length of the gradient, -1..1.
    """

    accuracy: NDArray[np.float64]
    scores: NDArray[np.float64]
    falling: NDArray[np.float64]
    sensitivity: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Tested:
    """A concept against chance; arrays are (classes,).

    Attributes:
        accuracy, accuracy_random: means over the runs.
        accuracy_p: one-sided, whether the CAV is better than those between random sets.
        score, score_random: TCAV scores, means over the runs.
        sensitivity: mean over the runs; and the standard deviation of random concepts'.
        p: two-sided, see `against_chance`.
        p_rank: share of random concepts as far from 0, the concept counted as one of them.
        p_welch: the paper's test of the runs' scores.
    """

    accuracy: float
    accuracy_random: float
    accuracy_p: float
    score: NDArray[np.float64]
    score_random: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    sensitivity_random: NDArray[np.float64]
    p: NDArray[np.float64]
    p_rank: NDArray[np.float64]
    p_welch: NDArray[np.float64]


class Examples:
    """Activations of examples at a layer, and what the gradients of the classes' pictures are along each.

    Args:
        activations: (M, d) float32.
        sources: (M,), of which picture each is.
        gradients: for each class (N, d) float32, of its logit by the layer's numbers, a row a picture.
        seed: tells which examples are held out.
    """

    def __init__(
        self,
        activations: NDArray[np.float32],
        sources: NDArray[np.int64],
        gradients: Sequence[NDArray[np.float32]],
        seed: int,
    ) -> None:
        self.products = np.asarray(activations @ activations.T, np.float64)
        self.sources, self._seed = np.asarray(sources, np.int64), seed
        self._along = [np.asarray(part @ activations.T, np.float64) for part in gradients]
        lengths = [np.linalg.norm(part.astype(np.float64), axis=1).mean() if len(part) else 0.0 for part in gradients]
        self._lengths = np.array(lengths)

    def learn(self, concept: NDArray[np.int64], others: NDArray[np.int64], number: int) -> Cav:
        """One CAV; `number` is that of the run (see `cav.learn`)."""
        return learn(self.products, concept, others, self.sources, np.random.default_rng([self._seed, number]))

    def said(self, cavs: Sequence[Cav]) -> Runs:
        """What CAVs say of every class."""
        scores, falling, sensitivity = np.zeros((3, len(cavs), len(self._along)))
        for run, cav in enumerate(cavs):
            for number, along in enumerate(self._along):
                derivatives = along[:, cav.rows] @ cav.weights
                if len(derivatives):
                    scores[run, number] = (derivatives > 0).mean()
                    falling[run, number] = (derivatives < 0).mean()
                    sensitivity[run, number] = derivatives.mean()
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = np.where(self._lengths > 0, sensitivity / self._lengths, 0.0)
        return Runs(np.array([cav.accuracy for cav in cavs]), scores, falling, relative)


def against_random(examples: Examples, concept: NDArray[np.int64], sets: Sequence[NDArray[np.int64]]) -> Runs:
    """A concept's CAVs against each of some random sets, as many of each as there are of the concept."""
    return examples.said([examples.learn(concept, rows[: len(concept)], run) for run, rows in enumerate(sets)])


def random_concepts(examples: Examples, sets: Sequence[NDArray[np.int64]], size: int) -> list[Runs]:
    """Every random set in the place of a concept against all others.

    A CAV of two sets, turned round, is that of the two the other way.
    """
    count = len(sets)
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    cavs = [examples.learn(sets[a][:size], sets[b][:size], 1000 + run) for run, (a, b) in enumerate(pairs)]
    said = examples.said(cavs)
    places: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for run, (a, b) in enumerate(pairs):
        places[a].append((run, 1))
        places[b].append((run, -1))
    found = []
    for of_set in places:
        runs, signs = (np.array(column) for column in zip(*of_set, strict=True))
        scores, falling = said.scores[runs], said.falling[runs]
        turned = signs[:, None] < 0
        found.append(
            Runs(
                said.accuracy[runs],
                np.where(turned, falling, scores),
                np.where(turned, scores, falling),
                said.sensitivity[runs] * signs[:, None],
            )
        )
    return found


def judged(concept: Runs, randoms: Sequence[Runs], overlap: float = 0.0) -> Tested:
    """A concept's runs beside those of random concepts.

    Args:
        concept: of `against_random`.
        randoms: of `random_concepts`.
        overlap: share of all random pictures that are in one random set; 0 where there is no end of them.
    """
    from scipy.stats import t as student

    sensitivity = concept.sensitivity.mean(axis=0)
    by_chance = np.stack([runs.sensitivity.mean(axis=0) for runs in randoms])
    p = np.array([against_chance(*pair, overlap) for pair in zip(sensitivity, by_chance.T, strict=True)])
    as_far = (abs(by_chance) >= abs(sensitivity)).sum(axis=0)
    accuracies = np.array([runs.accuracy.mean() for runs in randoms])
    spread = accuracies.std(ddof=1) * math.sqrt(1 + 1 / len(accuracies))
    above = concept.accuracy.mean() - accuracies.mean()
    accuracy_p = float(student.sf(above / spread, len(accuracies) - 1)) if spread > 0 else float(above <= 0)
    # As the paper has it: all runs of the concept, and as many pairs of random sets.
    between = np.concatenate([runs.scores for runs in randoms])
    welch = [_welch(*pair) for pair in zip(concept.scores.T, between.T, strict=True)]
    return Tested(
        accuracy=float(concept.accuracy.mean()),
        accuracy_random=float(accuracies.mean()),
        accuracy_p=accuracy_p,
        score=concept.scores.mean(axis=0),
        score_random=between.mean(axis=0),
        sensitivity=sensitivity,
        sensitivity_random=by_chance.std(axis=0, ddof=1),
        p=p,
        p_rank=(1 + as_far) / (1 + len(randoms)),
        p_welch=np.array(welch, float),
    )


def _welch(scores: NDArray[np.float64], between: NDArray[np.float64]) -> float:
    """Welch's test of runs' scores; of scores that do not differ within both it cannot be made, and tells what is plain."""
    from scipy.stats import ttest_ind

    if not scores.std() + between.std() > 0:
        return float(scores.mean() == between.mean())
    with warnings.catch_warnings():
        # Behind a linear head all scores of a concept may be the same.
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(ttest_ind(scores, between, equal_var=False).pvalue)


def against_chance(value: float, by_chance: NDArray[np.float64], overlap: float = 0.0) -> float:
    """Two-sided p-value of a concept's mean sensitivity among those of random concepts.

    The paper compares runs: one concept against many random sets, by Welch's t-test. But these runs share the concept's examples:
    whatever lies in those by chance is in all of them, so that a set of random pictures is taken for a concept again and again. Here
    a concept is one value, to be compared with the values of random sets treated as concepts: a t-test of one against n (Crawford
    and Howell 1998). It assumes that those are normal, as sums over many examples are, and that random pictures are drawn as the
    concept's examples were.

    Every random set is in all others' runs, so that these values sum to about 0 and vary more than the concept's would, by
    n / (n - 1).

    Args:
        value: the concept's.
        by_chance: (n,), of random concepts.
        overlap: as in `judged`. Sets that share pictures vary too little, by sqrt((1 - overlap) / (1 + overlap)).
    """
    from scipy.stats import t as student

    count = len(by_chance)
    spread = float(by_chance.std(ddof=1)) * (count - 1) / count * math.sqrt(1 + 1 / count)
    spread *= math.sqrt((1 + overlap) / (1 - overlap))
    if not spread > 0:
        return 1.0
    # As many sets as there are that share nothing.
    freedom = max(min(count, 1 / overlap if overlap else count) - 1, 1)
    return float(2 * student.sf(abs(value) / spread, freedom))


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values adjusted for how many they are (Holm 1979); NaN, of what was not tested, is not counted.

    It holds whatever the tests have to do with each other, and those of concepts that lie together, of two classes, or of
    neighbouring layers have much to do with each other.
    """
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted
