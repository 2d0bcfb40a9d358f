"""What there is to do in every job of a study, as far as its config tells: pictures, their size, passes, the network.

Asked for every job while the workflow is planned, and before there is a model or a table of images: so nothing is read here but the
config (and the size of a table of the user's), and what is not known is guessed: too low a guess costs a second attempt, no result.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.attributions.names import chosen_methods
from convscope.cams.names import OWN_PASS
from convscope.data.drawn.kinds import CLASSES as DRAWN
from convscope.filters.presets import for_preset, preset_names, settings_from
from convscope.models.settings import image_size
from convscope.planning.needs import Work
from convscope.vectors.names import MOST_CLASSES

# Pictures of a dataset of which nothing is known, and the side of a network's pictures where the model says.
UNKNOWN_PICTURES, UNKNOWN_SIDE = 20_000, 299
# Bytes of a line in a table of pictures, about.
_BYTES_A_LINE = 60
# What a pixel costs in the networks that are trained here, at full width; the real Xception is 1. What is narrow costs something, too.
_COSTS = {"xception": 1.0, "encoder_decoder": 0.3}
_OTHER_COST, _LEAST_COST = 0.2, 0.05
# Passes of a method where its settings do not tell their number.
_PASSES = {"occlusion": 200, "score_cam": 500}
# Settings that are a number of passes, with what one costs: those that need gradients go back, too.
_COUNTED = {"samples": 3, "steps": 3, "masks": 1, "evaluations": 1, "background": 3, "iterations": 3}
# Pictures of a set that are judged by each group of metrics take about so many passes, beside those of the curves.
_JUDGED = 200
# Filters of a layer of a network that is not known before it is there.
_FILTERS = 728
_EPOCHS_WATCHED = 9
# Of concepts of a model: how many have examples, crops of a picture, layers of a network that is not known, pictures of a class whose
# concepts are weakened, and what share of a pass the part above a layer is.
_CONCEPTS, _CROPS, _LAYERS, _WEAKENED, _UPPER = 20, 16, 40, 16, 0.1
# Real pictures that are looked at for each filter's patterns: of its best ones most are another one's, too.
_BEST_SHARED = 4
# Classes of pixels that are explained, where the config names none: background and a few parts.
_CLASSES_OF_PIXELS = 4
# Stages whose pictures the pages show.
_SHOWN = (
    "activations", "units", "concepts", "segmentation", "cams", "attributions", "judging", "strategies", "watching",
)  # fmt: skip
# Training an auto-encoder, whatever network its pictures are of: what all its passes cost.
_AUTOENCODER = 2.0


class Study:
    """The jobs of a study.

    Args:
        config: completed.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config

    def work(self, rule: str, names: Mapping[str, str]) -> Work:
        """What there is to do in a job.

        Args:
            rule: its name.
            names: its wildcards.
        """
        return _WORK.get(rule, lambda study, names: Work())(self, names)

    def dataset(self, name: str) -> int:
        """Pictures of a dataset, about."""
        data = self.config["datasets"][name]
        asked = sum(data.get("images_per_class", {}).values())
        if asked and (classes := self._classes(data)):
            return asked * classes
        if data["source"] == "table" and (table := Path(data["path"])).is_file():
            return table.stat().st_size // _BYTES_A_LINE + 1
        return UNKNOWN_PICTURES

    def images(self, name: str) -> int | None:
        """Images of a set at most; None where the config does not tell."""
        part = self.config["image_sets"][name]
        bounds = [len(part[key]) for key in ("urls", "files") if key in part]
        bounds += [part["limit"]] if "limit" in part else []
        if data := self.config["datasets"].get(part.get("dataset", "")):
            classes = len(part.get("classes") or ()) or self._classes(data)
            each = [part.get("per_class"), data.get("images_per_class", {}).get(part["split"])]
            bounds += [classes * count for count in each if count and classes]
        return min(bounds, default=None)

    @staticmethod
    def _classes(data: Mapping[str, Any]) -> int:
        """Classes of a dataset; 0 where the config does not tell."""
        return len(DRAWN.get(data["source"], ()) or data.get("classes") or ())

    def concept_classes(self, model: str) -> int:
        """Classes whose concepts are looked at; two where the config does not tell."""
        wanted = self.config["concepts"][model]["classes"]
        if isinstance(wanted, list):
            return len(wanted)
        data = self.config["datasets"].get(self.config["models"][model].get("dataset", ""))
        return min((self._classes(data) if data else 0) or 2, MOST_CLASSES)

    def pixels(self, model: str) -> float:
        """Millions of pixels of one picture in a network."""
        size = self._network(model).get("image_size") or UNKNOWN_SIDE
        height, width = image_size(size)
        return height * width / 1e6

    def _network(self, model: str) -> Mapping[str, Any]:
        """The part of a model, or of the one whose layers it has."""
        part: Mapping[str, Any] = self.config["models"][model]
        return self._network(part["base"]) if part["source"] == "transfer" else part

    def cost(self, model: str) -> float:
        """What a pixel costs in a network; 1 in the real Xception, and in what is not known."""
        part = self._network(model)
        if part["source"] != "train":
            return 1.0
        return _LEAST_COST + _COSTS.get(part["architecture"], _OTHER_COST) * part["width"] ** 2

    def width(self, model: str) -> float:
        """What a pixel takes of memory in a network; 1 in the real Xception, and in what is not known."""
        part = self._network(model)
        return min(0.1 + part["width"], 1.0) if part["source"] == "train" else 1.0

    def through(self, model: str, pictures: float, passes: float, batch: int) -> Work:
        """Of so many pictures, each so many times through a network, a batch at once."""
        pixels = self.pixels(model)
        return Work(
            held=batch * pixels * self.width(model),
            seen=pictures * passes * pixels * self.cost(model),
            pictures=int(pictures),
        )

    def shard(self, stage: str, names: Mapping[str, str]) -> int:
        """Images of one job of a stage, at most."""
        most = int(self.config[stage][names["model"]]["shard"])
        known = self.images(names["images"])
        return most if known is None else min(most, known)

    def of_shard(self, stage: str, names: Mapping[str, str], passes: float, batch: int) -> Work:
        """Of one shard of a set, whose whole table is read."""
        own = self.through(names["model"], self.shard(stage, names), passes, batch)
        return replace(own, listed=self.set(names))

    def set(self, names: Mapping[str, str]) -> int:
        """Images of a set, about."""
        known = self.images(names["images"])
        return UNKNOWN_PICTURES if known is None else known

    def passes(self, model: str, method: str) -> float:
        """How often a picture goes through the network for one method's map; there and back are three."""
        own = {**ATTRIBUTIONS[method].settings, **self.config["attributions"][model].get(method, {})}
        counted = [cost * own[key] for key, cost in _COUNTED.items() if own.get(key)]
        return _PASSES.get(method, max(counted, default=3)) * (own.get("searches") or 1) * self._explained(model)

    def _explained(self, model: str) -> int:
        """Classes that every picture is explained for."""
        return 2 if self.config["attributions"][model].get("class") == "all" else 1

    def filters(self, model: str, part: Mapping[str, Any]) -> int:
        """How many filters of a layer are asked for, about."""
        count = part["filters"]
        if isinstance(count, list):
            count = len(count)
        return count if isinstance(count, int) else max(int(_FILTERS * self.width(model)), 16)

    def ascent(self, model: str, part: Mapping[str, Any]) -> Work:
        """Of one layer's filters."""
        settings = settings_from(dict(part))
        filters = self.filters(model, part)
        pixels = sum(side * side * steps for side, steps in settings.stages) / 1e6
        return Work(
            held=(settings.batch or 16) * settings.size**2 / 1e6 * self.width(model),
            seen=1.5 * filters * pixels * self.cost(model),
        )


def _training(study: Study, names: Mapping[str, str]) -> Work:
    part = study.config["models"][names["model"]]
    return study.through(names["model"], study.dataset(part["dataset"]), 3 * part["epochs"], part["batch_size"])


def _transfer(study: Study, names: Mapping[str, str]) -> Work:
    """Features are computed once; the last layers may be trained with them."""
    part = study.config["models"][names["model"]]
    passes = 1 + 3 * part.get("fine_tune", {}).get("epochs", 0)
    return study.through(names["model"], study.dataset(part["dataset"]), passes, part["batch_size"])


def _of_dataset(study: Study, names: Mapping[str, str]) -> Work:
    return Work(pictures=study.dataset(names["dataset"]))


def _of_split(study: Study, names: Mapping[str, str]) -> Work:
    """A split, of which no more is known than that it is not all."""
    return study.through(names["model"], study.dataset(names["dataset"]) / 2, 1, 32)


def _of_set(study: Study, names: Mapping[str, str]) -> Work:
    return Work(pictures=study.set(names))


def _source_of_set(study: Study, names: Mapping[str, str]) -> Work:
    """The table that a set is chosen from is read as a whole."""
    dataset = study.config["image_sets"][names["images"]].get("dataset")
    return Work(pictures=study.dataset(dataset) if dataset else study.set(names))


def _head(study: Study, names: Mapping[str, str]) -> Work:
    own = study.config["cams"][names["model"]].get("gap_head", {})
    dataset = own.get("dataset") or study.config["models"][names["model"]].get("dataset")
    return study.through(names["model"], study.dataset(dataset) if dataset else 0, 1, 32)


def _cam(study: Study, names: Mapping[str, str]) -> Work:
    part = study.config["cams"][names["model"]]
    own = names["family"] in OWN_PASS
    passes = part.get("score_channels", _PASSES["score_cam"]) * study.width(names["model"]) if own else 2
    return study.of_shard("cams", names, passes, part["batch"])


def _attribution(study: Study, names: Mapping[str, str]) -> Work:
    part = study.config["attributions"][names["model"]]
    passes = study.passes(names["model"], names["method"])
    return study.of_shard("attributions", names, passes, part["batch"])


def _judge(study: Study, names: Mapping[str, str]) -> Work:
    part = study.config["judging"][names["model"]]
    images = min(part["limit"], study.set(names))
    return study.through(names["model"], images, 2 * part["steps"] + _JUDGED, part["batch"])


def _watched(study: Study, names: Mapping[str, str]) -> Work:
    part = study.config["watching"][names["model"]]
    return study.through(names["model"], part["limit"] * _EPOCHS_WATCHED, 3, part["limit"])


def _watched_pictures(study: Study, names: Mapping[str, str]) -> Work:
    """A picture and epoch each."""
    most = study.config["watching"][names["model"]]["limit"]
    return Work(pictures=min(most, study.set(names)) * _EPOCHS_WATCHED)


def _watched_patterns(study: Study, names: Mapping[str, str]) -> Work:
    filters = study.filters(names["model"], study.config["watching"][names["model"]]["filters"])
    return Work(pictures=filters * _EPOCHS_WATCHED)


def _watched_filters(study: Study, names: Mapping[str, str]) -> Work:
    once = study.ascent(names["model"], {"preset": "textbook", **study.config["watching"][names["model"]]["filters"]})
    return Work(held=once.held, seen=_EPOCHS_WATCHED * once.seen)


def _limited(study: Study, names: Mapping[str, str]) -> int:
    return min(study.config["concepts"][names["model"]]["limit"], study.set(names))


def _concept_vectors(study: Study, names: Mapping[str, str]) -> Work:
    """Examples and random ones of about two sizes of crops; and the upper part for every weakened concept of some pictures."""
    part = study.config["concepts"][names["model"]]
    images = _limited(study, names)
    layers = len(part["layers"]) if isinstance(part["layers"], list) else 1 if part["layers"] == "last" else _LAYERS
    examples = part["examples"] * (2 * part["random_sets"] + _CONCEPTS)
    weakened = study.concept_classes(names["model"]) * _WEAKENED * (part["found"] + 1) * part["base_points"] * _UPPER
    crops = images * _CROPS * bool(part["found"])
    seen = study.through(names["model"], layers * (3 * images + examples + crops + weakened), 1, 32)
    return replace(seen, pictures=images)


def _concept_patterns(study: Study, names: Mapping[str, str]) -> Work:
    """A pattern of each concept of each class."""
    part = study.config["concepts"][names["model"]]
    layers = len(part["layers"]) if isinstance(part["layers"], list) else 1 if part["layers"] == "last" else _LAYERS
    classes = study.concept_classes(names["model"])
    preset = "textbook" if part["patterns"] == "none" else part["patterns"]
    return study.ascent(
        names["model"], {"preset": preset, "filters": layers * classes * max(part["found"], 1), "batch": 8}
    )


def _objective(study: Study, names: Mapping[str, str]) -> Work:
    """All pictures of an objective at once, through all of the network."""
    part = study.config["filters"][names["model"]]
    own = part["objectives"][names["objective"]]
    count = max(own["patterns"], own.get("between", 1))
    settings = {**for_preset(part, names["preset"]), "filters": count, "batch": count}
    return study.ascent(names["model"], settings)


def _pattern_paths(study: Study, names: Mapping[str, str]) -> Work:
    """The best real pictures of every filter, some of which are those of another, and the patterns."""
    part = study.config["filters"][names["model"]]
    filters = study.filters(names["model"], part) * (_BEST_SHARED + len(preset_names(dict(part))))
    return study.through(names["model"], filters, 1, 16)


def _of_judged(study: Study, names: Mapping[str, str]) -> Work:
    return Work(pictures=min(study.config["judging"][names["model"]]["limit"], study.set(names)))


def _of_region(study: Study, names: Mapping[str, str]) -> Work:
    most = study.config["segmentation"][names["model"]]["gradcam"]["limit"]
    return Work(pictures=min(most, study.set(names)))


def _segmentation_cam(study: Study, names: Mapping[str, str]) -> Work:
    """Some pictures of the set, each once there, and back for every class."""
    part = study.config["segmentation"][names["model"]]
    wanted = part["gradcam"]["classes"]
    classes = len(wanted) if isinstance(wanted, list) else _CLASSES_OF_PIXELS
    pictures = _of_region(study, names).pictures
    return study.through(names["model"], pictures, 1 + 2 * classes, min(part["batch"], pictures))


def _comparison(study: Study, names: Mapping[str, str]) -> Work:
    """The answers of every training to a split, of which no more is known than that it is not all."""
    part = study.config["comparisons"][names["comparison"]]
    pictures = study.dataset(part["split"].partition("/")[0]) // 2
    return Work(pictures=pictures * len(part["models"]) * part["seeds"])


def _gallery(study: Study, names: Mapping[str, str]) -> Work:
    """Every picture as often as a stage shows it, and a method; what was tested is listed."""
    shown = 0
    for stage in _SHOWN:
        for part in study.config[stage].values():
            # "all" of a stage that has no methods of its own is told by the stages whose maps it takes.
            asked = chosen_methods(part["methods"]) if stage == "attributions" else part.get("methods")
            count = len(asked) if isinstance(asked, list) else 1
            sets = [study.set({"images": images}) for images in part["images"]]
            shown += count * sum(min(part.get("limit") or size, size) for size in sets)
    tested = [part.partition("/")[0] for parts in study.config["evaluations"].values() for part in parts]
    return Work(pictures=shown, listed=sum(study.dataset(name) // 2 for name in tested))


def _segmented(stage: str) -> Callable[[Study, Mapping[str, str]], Work]:
    return lambda study, names: study.through(
        names["model"], study.set(names), 3, study.config[stage][names["model"]]["batch"]
    )


_WORK: dict[str, Callable[[Study, Mapping[str, str]], Work]] = {
    **dict.fromkeys(("train_model", "train_seed", "train_segmentation"), _training),
    **dict.fromkeys(
        ("draw_pets", "draw_produce", "extract", "dataset", "contact_sheet", "masks", "masks_to_learn"), _of_dataset
    ),
    **dict.fromkeys(("overlays", "attribution_figures", "side_by_side", "gather_cam", "gather_attribution"), _of_set),
    **dict.fromkeys(
        ("gather_activations", "segmentation_report", "predicted_masks", "concept_masks", "strategies"), _of_set
    ),
    **dict.fromkeys(("unit_crops", "unit_table"), _of_set),
    "unit_answers": lambda study, names: study.through(names["model"], study.set(names), 2, 16),
    "concept_vectors": _concept_vectors,
    "concept_patterns": _concept_patterns,
    "concept_sheets": lambda study, names: Work(pictures=_limited(study, names)),
    "pattern_paths": _pattern_paths,
    **dict.fromkeys(("evaluate", "evaluate_seed"), _of_split),
    **dict.fromkeys(("judge", "judge_controls"), _judge),
    "segment": _segmented("segmentation"),
    "segmentation_cam": _segmentation_cam,
    "transfer_model": _transfer,
    "image_set": _source_of_set,
    "train_autoencoder": lambda study, names: Work(
        held=32 * study.pixels(names["model"]) * study.width(names["model"]),
        seen=study.dataset(names["dataset"]) * study.pixels(names["model"]) * _AUTOENCODER,
    ),
    "gap_head": _head,
    "cam": _cam,
    "attribution": _attribution,
    "activations": lambda study, names: study.of_shard("activations", names, 1, 16),
    "ascend": lambda study, names: study.ascent(
        names["model"], for_preset(study.config["filters"][names["model"]], names["preset"])
    ),
    "ascend_objective": _objective,
    "watch": _watched,
    "watch_filters": _watched_filters,
    **dict.fromkeys(("watch_figures", "watch_board"), _watched_pictures),
    "watch_filter_figures": _watched_patterns,
    "classifier_report": lambda study, names: Work(pictures=study.dataset(names["dataset"]) // 2),
    "channel_sheets": lambda study, names: Work(
        pictures=min(study.config["activations"][names["model"]]["sheets"], study.set(names))
    ),
    "filter_grid": lambda study, names: Work(
        pictures=study.filters(names["model"], study.config["filters"][names["model"]])
    ),
    **dict.fromkeys(("judging_report", "judging_against"), _of_judged),
    "segmentation_cam_figure": _of_region,
    "comparison": _comparison,
    "gallery": _gallery,
}
