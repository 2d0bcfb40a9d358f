"""The rows of the tables of concepts: plain facts, which whatever reads them needs neither a network nor a test for."""

import dataclasses

# From this cosine on two concepts are said to be much alike.
_MUCH_ALIKE = 0.9


@dataclasses.dataclass(frozen=True)
class VectorRow:
    """A concept with a name, a class and a layer.

    `verdict` is one of `names.VERDICTS`. `examples` of the concept are crops or pictures, of `pictures` pictures, `side` the
    share of a picture's side that a crop has. `accuracy` is the CAV's on held-out examples, `accuracy_random` that of CAVs
    between random sets, and `accuracy_p` whether the former is higher (one-sided). Over `of_class` pictures that the model
    takes for the class: `score` the share whose logit rises towards the concept (TCAV score), `sensitivity` the mean
    derivative, as a share of the gradient, -1 .. 1; and of random concepts the mean `score_random` and the standard deviation
    `sensitivity_random`. `p` is two-sided, adjusted for all tests of the table in `p_adjusted`; `p_rank` and `p_welch` are
    others' tests, see docs/concept_vectors.md.
    """

    layer: str
    class_: str
    concept: str
    kind: str
    verdict: str
    sensitivity: float
    sensitivity_random: float
    score: float
    score_random: float
    accuracy: float
    accuracy_random: float
    accuracy_p: float
    p: float
    p_adjusted: float
    p_rank: float
    p_welch: float
    examples: int
    pictures: int
    side: float
    of_class: int


@dataclasses.dataclass(frozen=True)
class FoundRow:
    """A concept that was found for a class at a layer; `number` 1 is the most important.

    `importance` is the estimate of the total Sobol index, mean over `asked` pictures, which may be above 1, and `importance_error` its
    standard error for the few points that each is asked at; `removed` by how much the logit falls without it. `words` is
    what it looks like: of all mask concepts the one its map is most like, beyond chance; `kind`, `concept`, `iou`, `low`, `high`,
    `chance` are its, as of units. `crops` were taken apart, with the relative `error`; `same` is the share of pictures that are
    taken for the same class with the found concepts alone; NaN of numbers, which are no classes. `nearest` is the number of the
    concept of the same class and layer whose part points most the same way, with their cosine `alike`, 0 .. 1; both 0 of one alone.
    """

    layer: str
    class_: str
    number: int
    importance: float
    importance_error: float
    removed: float
    words: str
    kind: str
    concept: str
    iou: float
    low: float
    high: float
    chance: float
    pictures: int
    asked: int
    crops: int
    error: float
    same: float
    nearest: int
    alike: float

    @property
    def twin(self) -> str:
        """Which other concept it is much like, in words; empty where it is like none."""
        return f"much like concept {self.nearest} (cosine {self.alike:.2f})" if self.alike >= _MUCH_ALIKE else ""
