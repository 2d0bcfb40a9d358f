"""Names of the metrics and of the control maps. Imports nothing heavy: the check of the config uses it."""

from dataclasses import dataclass

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS


@dataclass(frozen=True)
class Metric:
    """A number an explanation is judged by.

    Attributes:
        title: in words.
        better: "higher", "lower", or "" where neither is better by itself.
        group: the part of `judging.metrics` in the config that computes it.
        limits: the range it can take; None where it has no bound.
    """

    title: str
    better: str
    group: str
    limits: tuple[float | None, float | None] = (0.0, 1.0)


# What `metrics:` in the config chooses from.
GROUPS = ("curves", "localisation", "randomisation", "sensitivity", "seeds", "sparseness", "agreement")

METRICS = {
    "faithfulness": Metric("insertion AUC minus deletion AUC", "higher", "curves", (-1.0, 1.0)),
    "insertion": Metric("insertion AUC", "higher", "curves"),
    "deletion": Metric("deletion AUC", "lower", "curves"),
    "pointing": Metric("pointing game: maximum inside the mask", "higher", "localisation"),
    "energy": Metric("energy inside the mask", "higher", "localisation"),
    "energy_gain": Metric("energy inside the mask over the mask's area", "higher", "localisation", (0.0, None)),
    "unchanged": Metric("likeness to the randomised model's map, beyond chance", "lower", "randomisation", (-1.0, 1.0)),
    "randomised_spearman": Metric("Spearman with the randomised model's map", "lower", "randomisation", (-1.0, 1.0)),
    "randomised_spearman_abs": Metric(
        "Spearman of absolute values with the randomised model's map", "lower", "randomisation", (-1.0, 1.0)
    ),
    "randomised_ssim": Metric("SSIM with the randomised model's map", "lower", "randomisation", (-1.0, 1.0)),
    "max_sensitivity": Metric("largest change under small noise", "lower", "sensitivity", (0.0, None)),
    "seed_error": Metric("relative error from seed to seed", "lower", "seeds", (0.0, None)),
    "gini": Metric("sparseness (Gini)", "", "sparseness"),
}

# Maps that know nothing of the model; every method has to beat the first two.
CONTROLS = {"centre_blob": "a centre blob", "edges": "an edge detector", "random": "random pixels"}
RIVALS = ("centre_blob", "edges")


def title_of(method: str) -> str:
    """A method's name for people; of a control, its name in words."""
    known = ATTRIBUTIONS.get(method)
    return CAMS.get(method) or (known.title if known else method.replace("_", " "))
