"""Contrastive explanations (CEM): the least that has to be added for another class, the least that is enough for this one.

Dhurandhar et al. 2018 (1802.07623). *Pertinent negative*: the smallest addition to the image that changes the class.
*Pertinent positive*: the smallest part of the image that has the class by itself, all else set to a colour without
information. Everything here is in shares of the full range, 0..1, of RGB or of what the model reads, so that the settings mean
the same for all models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from convscope.attributions.base import Attribution
from convscope.attributions.batches import BATCH, fill_colour
from convscope.attributions.class_scores import columns, pick
from convscope.backends.running import compiled, to_numpy, value_and_gradient
from convscope.errors import UserError
from convscope.models.spec import THRESHOLD, ModelSpec

# What c is multiplied by as long as no success was seen.
_GROWTH = 10.0


@dataclass(frozen=True)
class Found:
    """What a search found, for each of N images.

    Attributes:
        delta: (N, H, W, C) float32, the smallest change with success; 0 where there was none.
        success: (N,) bool.
        constant: (N,) float32, the c that gave it; NaN where there was none.
        constants: (N, searches) float32, every c tried.
        successes: (N, searches) bool, which of them succeeded.
        iterations: (N,) int32, steps in all; fewer than asked for where nothing could move any more.
    """

    delta: np.ndarray
    success: np.ndarray
    constant: np.ndarray
    constants: np.ndarray
    successes: np.ndarray
    iterations: np.ndarray


def box(pictures: np.ndarray, neutral: np.ndarray, positive: bool) -> tuple[np.ndarray, np.ndarray]:
    """Between which values the change of each pixel and colour may lie.

    Args:
        pictures: (N, H, W, C), 0..1.
        neutral: (C,), the value without information, 0..1.
        positive: False, something is added: away from `neutral`, inside the range. True, something is kept: a share of
            what lies between `neutral` and the picture.

    Returns:
        Lowest and highest change, both (N, H, W, C) float32, 0 among them.
    """
    if positive:
        part = pictures - neutral
        return np.minimum(part, 0).astype(np.float32), np.maximum(part, 0).astype(np.float32)
    low = np.where(pictures <= neutral, -pictures, 0)
    high = np.where(pictures >= neutral, 1 - pictures, 0)
    return low.astype(np.float32), high.astype(np.float32)


class _Fixed(NamedTuple):
    """What a descent does not change, of n pictures: tensors (n, H, W, C) for three, (n,) for two."""

    base: Any
    low: Any
    high: Any
    targets: Any
    c: Any


class _State(NamedTuple):
    """Where a descent is: the change, the point that the next step starts from, the best change with success of all c so far, its
    norm (inf: there was none), and whether this c had a success.
    """

    d: Any
    slack: Any
    best: Any
    norm: Any
    succeeded: Any


class Search:
    """FISTA with shrinkage over `c max(margin, -k) + |d|_2^2 + g |y - AE(y)|_2^2 + b |d|_1` with a search over c.

    As in the paper each step shrinks by b whatever its length. A step of length r so weighs the l1 norm with `b / r`, far
    more than the formula: changes are few and large, nearly the least l1 norm that succeeds, where shrinking by `b r` would
    leave a faint pattern all over. The best of the successes is chosen by the same weights, `b / r |d|_1 + |d|_2^2`.

    y is the changed picture: `x + d` for a pertinent negative, `neutral + d` for a positive one. The margin is how far the
    class is ahead of the best other one (negative), or behind it (positive). It is a difference of logits, so of
    log-probabilities: where the model is sure, nothing would be left of the gradient of a probability; `of_probabilities`
    gives that one.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        positive: search a pertinent positive.
        k: by how much the margin must be passed.
        b: shrinkage of a step, weight of the l1 norm.
        iterations: steps for one c.
        learning_rate: length of the first step; it falls as `sqrt(1 - step / iterations)`.
        constant: the first c; it grows tenfold until a success is seen, then the gap between failure and success is halved.
        searches: how many values of c.
        gamma: weight of the auto-encoder term.
        autoencoder: (N, H, W, C) 0..1 -> the same; needed where `gamma` is not 0.
        of_probabilities: take the margin of probabilities, as in the paper's notation.
    """

    def __init__(
        self,
        scores: Any,
        positive: bool,
        k: float = 0.0,
        b: float = 0.1,
        iterations: int = 1000,
        learning_rate: float = 0.01,
        constant: float = 10.0,
        searches: int = 9,
        gamma: float = 0.0,
        autoencoder: Any = None,
        of_probabilities: bool = False,
    ) -> None:
        self.scores, self.positive, self.k, self.b = scores, positive, k, b
        self.iterations, self.learning_rate = iterations, learning_rate
        self.constant, self.searches = constant, searches
        self.gamma, self.autoencoder, self.of_probabilities = gamma, autoencoder, of_probabilities
        self._to_model = _model_space(scores.spec)
        images = keras.KerasTensor((None, *scores.spec.input_size, scores.spec.depth), "float32")
        numbers, number = keras.KerasTensor((None,), "float32"), keras.KerasTensor((), "float32")
        state = _State(images, images, images, numbers, keras.KerasTensor((None,), "bool"))
        fixed = _Fixed(images, images, images, keras.KerasTensor((None,), "int32"), numbers)
        read = [weight for part in (scores.network, autoencoder) for weight in getattr(part, "variables", ())]
        self._step = compiled(self._fista, [state, fixed, number, number], read)

    def __call__(self, pictures: np.ndarray, targets: np.ndarray, neutral: np.ndarray) -> Found:
        """Search.

        Args:
            pictures: (N, H, W, C) float32, 0..1, RGB or what the model reads.
            targets: (N,) int, the class of each.
            neutral: (C,), the value without information, 0..1.
        """
        count = len(pictures)
        low, high = (_float(side) for side in box(pictures, neutral, self.positive))
        base = np.broadcast_to(neutral, pictures.shape) if self.positive else pictures
        fixed = _Fixed(_float(base), low, high, ops.convert_to_tensor(targets, "int32"), ops.zeros(count))
        lower, upper = np.zeros(count), np.full(count, np.inf)
        c, constant = np.full(count, self.constant), np.full(count, np.nan, np.float32)
        best, norm = np.zeros_like(pictures, np.float32), np.full(count, np.inf, np.float32)
        constants, successes = [], []
        iterations = np.zeros(count, np.int32)
        for _ in range(self.searches):
            # No change is less than none, and where none succeeds it does for every c.
            success = norm == 0
            if len(rows := np.flatnonzero(~success)):
                part = _Fixed(*(ops.take(each, rows, axis=0) for each in fixed))._replace(c=_float(c[rows]))
                before = norm[rows]
                best[rows], norm[rows], success[rows], steps = self._descend(part, best[rows], before)
                iterations[rows] += steps
                better = rows[norm[rows] < before]
                constant[better] = c[better]
            constants.append(c.astype(np.float32))
            successes.append(success)
            upper = np.where(success, np.minimum(upper, c), upper)
            lower = np.where(success, lower, np.maximum(lower, c))
            c = np.where(np.isfinite(upper), (lower + np.where(np.isfinite(upper), upper, 0)) / 2, c * _GROWTH)
        return Found(best, np.isfinite(norm), constant, np.stack(constants, 1), np.stack(successes, 1), iterations)

    def _descend(
        self, fixed: _Fixed, best: np.ndarray, norm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One c an image: the best change of this c and those before, its norm, whether this c had a success, steps taken."""
        count, zero = len(norm), ops.zeros_like(fixed.base)
        steps, success = np.full(count, self.iterations, np.int32), np.zeros(count, bool)
        best, norm = np.array(best), np.array(norm)
        moving = np.arange(count)
        state = _State(zero, zero, _float(best), _float(norm), ops.convert_to_tensor(success))
        for step in range(self.iterations):
            rate = self.learning_rate * (1 - step / self.iterations) ** 0.5
            state = self._step(state, fixed, _float(rate), _float(step))
            if step == 0:
                # Steps only get shorter: what did not leave 0 with the first never will. And where 0 is a success, nothing is less.
                best[:], norm[:], success[:] = (to_numpy(each) for each in (state.best, state.norm, state.succeeded))
                going = to_numpy(state.d).reshape(count, -1).any(axis=1) & (norm > 0)
                moving = np.flatnonzero(going)
                steps[~going] = 1
                if not len(moving):
                    return best, norm, success, steps
                if len(moving) < count:
                    state = _State(*(ops.take(each, moving, axis=0) for each in state))
                    fixed = _Fixed(*(ops.take(each, moving, axis=0) for each in fixed))
        # The last change has not been looked at yet.
        state = self._step(state, fixed, _float(0.0), _float(0.0))
        best[moving], norm[moving], success[moving] = (
            to_numpy(each) for each in (state.best, state.norm, state.succeeded)
        )
        return best, norm, success, steps

    def _fista(self, state: _State, fixed: _Fixed, rate: Any, k: Any) -> _State:
        """Keep the change if it is the best so far, then one step from the slack point."""
        d, slack, best, norm, succeeded = state
        size = ops.sum(self.b / self.learning_rate * ops.abs(d) + d**2, axis=(1, 2, 3))
        # Where this c is known to succeed and none of them can be the best, whether they succeed is no matter.
        margin = ops.cond(
            ops.any((size < norm) | ~succeeded),
            lambda: self._margin(fixed.base + d, fixed.targets),
            lambda: ops.ones_like(norm),
        )
        success = (margin < 0) & (margin <= -self.k + 1e-6)
        better = success & (size < norm)
        best = ops.where(better[:, None, None, None], d, best)
        norm = ops.where(better, size, norm)

        def loss(slack: Any) -> Any:
            changed = fixed.base + slack
            loss = ops.sum(fixed.c * ops.maximum(self._margin(changed, fixed.targets), -self.k))
            if self.gamma:
                loss += self.gamma * ops.sum((changed - self.autoencoder(changed, training=False)) ** 2)
            return loss, ()

        gradient = value_and_gradient(loss, slack)[1] + 2 * slack
        moved = slack - rate * gradient
        shrunk = ops.sign(moved) * ops.maximum(ops.abs(moved) - self.b, 0)
        after = ops.clip(shrunk, fixed.low, fixed.high)
        slack = ops.clip(after + k / (k + 3) * (after - d), fixed.low, fixed.high)
        return _State(after, slack, best, norm, succeeded | success)

    def _margin(self, changed: Any, targets: Any) -> Any:
        """How far the class is ahead of the best other (negative search) or behind it (positive): (N,), a success below 0."""
        logits = ops.cast(self.scores.network(self._to_model(changed), training=False), "float32")
        spec = self.scores.spec
        # Half of [-z, z]: the difference of the two is then the log-odds z.
        all_scores = columns(logits, spec) / (2.0 if spec.head == "binary" else 1.0)
        if self.of_probabilities and spec.head != "multilabel":
            all_scores = ops.softmax(all_scores)
        own = pick(all_scores, targets)
        if spec.head == "multilabel":
            # A label is there or not, whatever the others are: it is ahead of its own absence.
            ahead = 2 * ops.sigmoid(own) - 1 if self.of_probabilities else own
            return -ahead if self.positive else ahead
        others = all_scores - 1e9 * ops.one_hot(targets, all_scores.shape[1])
        ahead = own - ops.max(others, axis=1)
        return -ahead if self.positive else ahead


def _float(values: Any) -> Any:
    """A float32 tensor."""
    return ops.convert_to_tensor(values, "float32")


def _model_space(spec: ModelSpec) -> Any:
    """Pixels 0..1 -> model space, for tensors (see `ModelSpec.preprocess`)."""
    scale, offset = _float(spec.scale) * 255, _float(spec.offset)

    def convert(pictures: Any) -> Any:
        return (ops.flip(pictures, axis=-1) if spec.channels == "bgr" else pictures) * scale + offset

    return convert


class Contrastive:
    """Pertinent negatives or positives as an explainer (see `base.Explainer`).

    Maps (N, H, W, C): the change in shares of the full range, of RGB or of what the model reads. A negative is added to the
    picture; a positive is what the picture has beyond the colour without information. Its sign is a colour (darker, brighter), not
    evidence for or against:
    as a heat it is unsigned, so that a black object that is kept counts like a white one, and (+.5, -.5, 0) is a change.
    Only the class that the model predicts has one: for another class the map is 0 and `success` false.

    Facts, each (N,) where not said otherwise: `success`, checked by predicting the changed picture anew; `new_class`, what
    the model then predicts (a negative: the class it flips to); `new_probabilities` (N, classes); `l1` and `l2` of the
    map; `constant`, the c of the result; `constants` and `successes` (N, searches), the path of c; `iterations`.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `k`, `b`, `iterations`, `learning_rate`, `constant`, `searches`, `gamma`, `margin` ("logit" or
            "probability"), see `Search`; `neutral`, the colour without information, RGB 0..255.
        positive: pertinent positives instead of negatives.
        autoencoder: pixels 0..1 -> the same; None where `gamma` is 0.

    Raises:
        UserError: a setting that makes no sense, or the auto-encoder is missing.
    """

    signed = False

    def __init__(self, scores: Any, settings: dict[str, Any], positive: bool, autoencoder: Any = None) -> None:
        self.name = "pertinent_positive" if positive else "pertinent_negative"
        if not scores.spec.is_classifier:
            raise UserError(
                f"{self.name} changes a picture until its class is another; model '{scores.spec.name}' predicts numbers: leave it out"
            )
        self.scores, self.positive = scores, positive
        for key in ("iterations", "searches", "learning_rate", "constant"):
            if settings[key] <= 0:
                raise UserError(f"{self.name}.{key} is {settings[key]}; it must be above 0")
        for key in ("k", "b", "gamma"):
            if settings[key] < 0:
                raise UserError(f"{self.name}.{key} is {settings[key]}; it must be 0 or more")
        if settings["margin"] not in ("logit", "probability"):
            raise UserError(f"{self.name}.margin is '{settings['margin']}'; give logit or probability")
        if settings["gamma"] and autoencoder is None:
            raise UserError(f"{self.name}.gamma is {settings['gamma']} and no auto-encoder is there; name its dataset")
        fill_colour(settings["neutral"], scores.spec, f"{self.name}.neutral")
        self.neutral = scores.spec.reads.of_colour(settings["neutral"]) / 255
        self._search = Search(
            scores,
            positive,
            k=float(settings["k"]),
            b=float(settings["b"]),
            iterations=int(settings["iterations"]),
            learning_rate=float(settings["learning_rate"]),
            constant=float(settings["constant"]),
            searches=int(settings["searches"]),
            gamma=float(settings["gamma"]),
            autoencoder=autoencoder,
            of_probabilities=settings["margin"] == "probability",
        )

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        spec = self.scores.spec
        pictures = np.clip(spec.to_pixels(images) / 255, 0, 1).astype(np.float32)
        found = self._search(pictures, targets, self.neutral)
        of_target = self._taken_for(self.scores.probabilities(images, BATCH), targets)
        delta = np.where(of_target[:, None, None, None], found.delta, 0).astype(np.float32)
        base = np.broadcast_to(self.neutral, pictures.shape) if self.positive else pictures
        after = self.scores.probabilities(spec.preprocess((base + delta) * 255), BATCH)
        new_class = after.argmax(axis=1)
        as_wanted = self._taken_for(after, targets) == self.positive
        success = found.success & of_target & as_wanted
        return Attribution(
            delta,
            {
                "success": success,
                "new_class": new_class.astype(np.int64),
                "new_probabilities": after.astype(np.float32),
                "l1": np.abs(delta).sum(axis=(1, 2, 3)),
                "l2": np.sqrt((delta**2).sum(axis=(1, 2, 3))),
                "constant": found.constant,
                "constants": found.constants,
                "successes": found.successes,
                "iterations": found.iterations,
            },
        )

    def _taken_for(self, chances: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether each picture is taken for its target: bool (N,). Of many labels, whether that is predicted."""
        if self.scores.spec.head == "multilabel":
            return np.asarray(chances[np.arange(len(targets)), targets] >= THRESHOLD)
        return np.asarray(chances.argmax(axis=1) == targets)
