"""Which jobs share one submission to a cluster, by a rule of thumb: what takes seconds goes with its like, what takes minutes alone.

A submission costs about five seconds before its first job begins (docs/cluster.md). Jobs go together until they come to `TOGETHER`
seconds of work; one of more than `ALONE` is submitted by itself, and so is all that trains a network: where one job of a group fails,
all of it are made again.

No group may wait for itself: between two jobs of one group there is none that is left out of it. So either a whole stage of a model is
one group, or its long jobs are alone, and those that only join or draw what these have made are a group of their own.
"""

from collections.abc import Callable, Mapping

from convscope.attributions.names import chosen_methods
from convscope.cams.names import METHODS as CAMS
from convscope.cams.names import OWN_PASS, methods_of
from convscope.judging.selection import judged_methods
from convscope.planning.needs import seconds
from convscope.planning.work import Study

# Seconds of one processor: of a job that goes alone, and of jobs that go together.
ALONE, TOGETHER = 60, 300
# Snakemake compares all jobs of a group with each other.
MOST = 40


def group_of(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    """The group of a job: those of one name share a submission; None for a job that is submitted alone.

    Args:
        study: what all jobs are of.
        rule: the job's rule.
        names: its wildcards.
        position: which of the layers of the model a layer is, asked for where it counts.
    """
    if rule not in _GROUP:
        return None
    return _GROUP[rule](study, rule, names, position)


def _takes(study: Study, rule: str, **names: str) -> float:
    return seconds(rule, study.work(rule, names))


def _small(study: Study, rule: str, names: Mapping[str, str]) -> bool:
    return _takes(study, rule, **names) <= ALONE


def _data(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    """A dataset from its drawings to its sheet, with the image sets that are chosen of it."""
    dataset = names["dataset"]
    source = study.config["datasets"][dataset]["source"]
    makes = {"drawn_pets": ["draw_pets"], "drawn_produce": ["draw_produce"], "archive": ["extract"]}.get(source, [])
    first = [*makes, "dataset"]
    if sum(_takes(study, one, dataset=dataset) for one in first) <= TOGETHER / 2:
        return f"data.{dataset}"
    return f"data.{dataset}" if rule not in first and _small(study, rule, names) else None


def _image_set(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    part = study.config["image_sets"][names["images"]]
    if not _small(study, rule, names):
        return None
    if "evaluation" in part:
        return _evaluated(study, part["evaluation"])
    return _data(study, rule, {"dataset": part["dataset"], **names}, position) if "dataset" in part else "image_sets"


def _evaluates_soon(study: Study, model: str) -> bool:
    splits = [split.partition("/")[0] for split in study.config["evaluations"].get(model, [])]
    work = sum(_takes(study, "evaluate", model=model, dataset=dataset) for dataset in splits)
    return work + (_takes(study, "gap_head", model=model) if "cam" in _cams(study, model) else 0) <= TOGETHER


def _evaluated(study: Study, model: str) -> str:
    """What waits for the evaluation of a model."""
    return f"model.{model}" if _evaluates_soon(study, model) else f"evaluation.{model}"


def _cams(study: Study, model: str) -> list[str]:
    wanted = study.config["cams"].get(model, {}).get("methods", [])
    return [method for method in CAMS if method in wanted]


def _model(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    """What is asked of a model as soon as it is there: its layers, its curves, its evaluation."""
    model = names["model"]
    if rule in ("evaluate", "gap_head"):
        return f"model.{model}" if _evaluates_soon(study, model) else None
    return _evaluated(study, model) if rule == "classifier_report" else f"model.{model}"


def _patterns(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    """Several layers, as many as come to so much; where a layer takes long, the drawings of many."""
    once = _takes(study, "ascend", model=names["model"], preset=names["preset"])
    if once <= ALONE:
        many = _many(once)
        return f"filters.{names['model']}.{names['preset']}.{position() // many}"
    return None if rule == "ascend" else f"filters.{names['model']}.{names['preset']}.{position() // 8}"


def _many(once: float) -> int:
    """How many jobs of so many seconds go together."""
    return min(max(int(TOGETHER / once), 1), MOST)


def _shards(stage: str, rules: Mapping[str, str]) -> "Group":
    """A whole stage of a model, or its shards as many as come to so much, and by themselves what joins and draws one method's maps.

    Args:
        stage: of the config.
        rules: the rule that makes shards, to the wildcard that tells what kind they are of ("" for none).
    """
    (maker, kind), *_ = rules.items()

    def kinds(study: Study, model: str) -> list[str]:
        if stage == "attributions":
            return chosen_methods(study.config[stage][model]["methods"])
        if stage == "cams":
            return [name for name in ("shared", *OWN_PASS) if methods_of(name, _cams(study, model))]
        return [""]

    def whole(study: Study, model: str) -> bool:
        """Whether all of it is little, and known to be."""
        part = study.config[stage][model]
        sets = [images for images in part["images"] if study.images(images) is not None]
        if len(sets) < len(part["images"]) or len(sets) * len(kinds(study, model)) > MOST / 3:
            return False
        work = sum(
            _takes(study, maker, model=model, images=images, **({kind: name} if kind else {}))
            * -(-(study.images(images) or 1) // part["shard"])
            for images in sets
            for name in kinds(study, model)
        )
        return work <= TOGETHER

    def group(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
        model = names["model"]
        if whole(study, model):
            return f"{stage}.{model}"
        if rule == maker:
            once = _takes(study, rule, **names)
            words = [stage, model, names["images"], *([names[kind]] if kind else [])]
            return ".".join([*words, str(int(names["shard"]) // _many(once))]) if once <= ALONE else None
        # Each job that ends has Snakemake count all that a group waits for: what joins very many shards is no group.
        known = study.images(names["images"])
        if known is None or known > MOST * study.config[stage][model]["shard"]:
            return None
        if "method" in names and not _small(study, rule, names):
            return None
        return ".".join(["drawn", stage, model, names["images"], names.get("method", "all")])

    return group


def _judging(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    model = names["model"]
    judged = [
        _takes(study, "judge", model=model, images=images)
        * (len(judged_methods(dict(study.config), model, images)) + 1)
        for images in study.config["judging"][model]["images"]
    ]
    return f"judging.{model}" if sum(judged) <= TOGETHER else None


def _watching(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    model = names["model"]
    part = study.config["watching"][model]
    seen = sum(_takes(study, "watch", model=model, images=images) for images in part["images"])
    filters = _takes(study, "watch_filters", model=model) if part["filters"].get("filters") else 0
    return f"watching.{model}" if seen + filters <= TOGETHER else None


def _segmentation(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    model = names["model"]
    part = study.config["segmentation"][model]
    makers = ["segment", *["segmentation_cam"] * len(part.get("gradcam", {}).get("regions", []))]
    jobs = [_takes(study, maker, model=model, images=images) for images in part["images"] for maker in makers]
    return f"segmentation.{model}" if max(jobs) <= ALONE and sum(jobs) <= TOGETHER else None


def _concepts(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    return f"concepts.{names['model']}" if _small(study, rule, names) else None


def _strategies(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    return f"strategies.{names['model']}.{names['images']}" if _small(study, rule, names) else None


def _units(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    return f"units.{names['model']}.{names['images']}" if _small(study, "unit_answers", names) else None


def _vectors(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    patterns = study.config["concepts"][names["model"]]["patterns"] != "none"
    makers = ["concept_vectors", *(["concept_patterns"] if patterns else [])]
    small = all(_small(study, maker, names) for maker in makers)
    return f"vectors.{names['model']}.{names['images']}" if small else None


def _pattern_paths(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    """Several layers, as many as come to so much."""
    once = _takes(study, rule, **names)
    return f"paths.{names['model']}.{names['images']}.{position() // _many(once)}" if once <= ALONE else None


def _seeds(study: Study, rule: str, names: Mapping[str, str], position: Callable[[], int]) -> str | None:
    return f"seeds.{names['model']}.{names['number']}" if _small(study, rule, names) else None


Group = Callable[[Study, str, Mapping[str, str], Callable[[], int]], str | None]
_GROUP: dict[str, Group] = {
    **dict.fromkeys(
        ("draw_pets", "draw_produce", "extract", "dataset", "contact_sheet", "masks", "masks_to_learn"), _data
    ),
    "image_set": _image_set,
    **dict.fromkeys(("layers", "training_curves", "evaluate", "classifier_report", "gap_head"), _model),
    **dict.fromkeys(("ascend", "filter_grid"), _patterns),
    **dict.fromkeys(
        ("activations", "gather_activations", "channel_sheets"), _shards("activations", {"activations": ""})
    ),
    "concept_masks": _concepts,
    "strategies": _strategies,
    **dict.fromkeys(("unit_answers", "unit_crops", "unit_table"), _units),
    **dict.fromkeys(("concept_vectors", "concept_patterns", "concept_sheets"), _vectors),
    "pattern_paths": _pattern_paths,
    **dict.fromkeys(("cam", "gather_cam", "overlays"), _shards("cams", {"cam": "family"})),
    **dict.fromkeys(
        ("attribution", "gather_attribution", "attribution_figures", "side_by_side"),
        _shards("attributions", {"attribution": "method"}),
    ),
    **dict.fromkeys(("judge", "judge_controls", "judging_report"), _judging),
    **dict.fromkeys(("watch", "watch_figures", "watch_board", "watch_filters", "watch_filter_figures"), _watching),
    **dict.fromkeys(
        ("segment", "segmentation_report", "segmentation_cam", "segmentation_cam_figure", "predicted_masks"),
        _segmentation,
    ),
    "evaluate_seed": _seeds,
    **dict.fromkeys(
        ("comparison", "compared_cams", "compared_filters"),
        lambda study, rule, names, position: f"comparison.{names['comparison']}",
    ),
}
# The rules whose jobs may share a submission.
GROUPED = frozenset(_GROUP)
