"""A whole study: section by section, what is named in it."""

from typing import Any

from convscope.attributions.names import chosen_methods
from convscope.backends.support import check_backend
from convscope.check.choices import among
from convscope.check.datasets import check_dataset, check_image_set, check_split, classes_of
from convscope.check.explanations import check_attributions, check_class, check_colormap, check_gap_head
from convscope.check.filters import check_objective
from convscope.check.models import check_head, check_model
from convscope.check.units import check_concepts, check_vectors
from convscope.comparisons.selection import check_comparison
from convscope.errors import UserError
from convscope.filters.presets import for_preset, preset_names, settings_from
from convscope.judging.selection import check_judging
from convscope.models.bases import check_base, check_layers, check_map_layer
from convscope.segmentation.settings import check_segmentation
from convscope.storage.addresses import dataset_and_split, downloads_of
from convscope.storage.places import looking_once
from convscope.strategies.selection import check_strategies
from convscope.watching.settings import check_watching

_TAKEN = ("downloads",)


@looking_once()
def check_study(config: dict[str, Any]) -> None:
    """Check that every name in a completed configuration (see `config.complete`) leads somewhere.

    Datasets, splits, models, image sets, classes, layers where they can be known without loading a network, folders, files.

    Raises:
        UserError: the first that does not: its key, its value, the nearest valid one.
    """
    _check_names(config)
    for name, dataset in config["datasets"].items():
        check_dataset(f"datasets.{name}", dataset)
    for name, model in config["models"].items():
        check_model(f"models.{name}", model, config["datasets"])
        if model["source"] == "transfer":
            check_base(f"models.{name}", config["models"], name, classes_of(config["datasets"][model["dataset"]]))
    for model, splits in config["evaluations"].items():
        key = f"evaluations.{model}"
        among(f"{key}", "model", model, config["models"])
        check_head(key, config["models"][model], "it predicts nothing to evaluate")
        for split in splits:
            dataset, _, part = split.partition("/")
            check_split(key, dataset, part, config["datasets"])
    for name, image_set in config["image_sets"].items():
        check_image_set(f"image_sets.{name}", image_set, config)
    downloads_of(config)
    for stage in (
        "activations",
        "filters",
        "units",
        "concepts",
        "segmentation",
        "cams",
        "attributions",
        "judging",
        "strategies",
        "watching",
    ):
        for model, settings in config[stage].items():
            key = f"{stage}.{model}"
            among(key, "model", model, config["models"])
            for image_set in settings.get("images", []):
                among(f"{key}.images", "image set", image_set, config["image_sets"])
            if "layers" in settings:
                check_layers(key, settings["layers"], config["models"], model)
    for model, settings in config["filters"].items():
        for name, part in settings["objectives"].items():
            check_objective(f"filters.{model}.objectives.{name}", part, model, config)
        try:
            for preset in preset_names(settings):
                settings_from(for_preset(settings, preset))
        except UserError as error:
            raise UserError(f"filters.{model}: {str(error).removeprefix('filters: ')}") from None
    for model, settings in config["units"].items():
        check_concepts(f"units.{model}", settings, config)
    for model, settings in config["concepts"].items():
        check_vectors(f"concepts.{model}", settings, model, config)
    for model in config["segmentation"]:
        check_segmentation(config, model)
    for stage in ("cams", "watching"):
        for model, settings in config[stage].items():
            key = f"{stage}.{model}"
            check_class(key, settings, model, config)
            check_colormap(f"{key}.colormap", settings["colormap"])
            check_head(key, config["models"][model])
            for part, own in (("", settings), (".activation", settings.get("activation", {}))):
                if "layer" in own:
                    check_map_layer(f"{key}{part}.layer", own["layer"], config["models"], model)
    for model in config["cams"]:
        check_gap_head(f"cams.{model}.gap_head", model, config)
    for model in config["watching"]:
        check_watching(model, config)
    asked = {f"attributions.{name}.methods": part["methods"] for name, part in config["attributions"].items()}
    check_backend(config, {key: chosen_methods(wanted) for key, wanted in asked.items()})
    for model, settings in config["attributions"].items():
        check_attributions(f"attributions.{model}", settings, model, config)
    for model in config["judging"]:
        check_judging(config, model)
    for model in config["strategies"]:
        check_strategies(config, model)
    for name, comparison in config["comparisons"].items():
        check_comparison(config, name)
        dataset, split = dataset_and_split(comparison["split"])
        check_split(f"comparisons.{name}.split", dataset, split, config["datasets"])


def _check_names(config: dict[str, Any]) -> None:
    """Names become names of files and folders, also where no difference is made between a and A."""
    if config["study"].lower() in _TAKEN:
        raise UserError(f"study: results/{config['study']} holds what other studies use, too; choose another name")
    for section in ("datasets", "models", "image_sets", "comparisons"):
        known: dict[str, str] = {}
        for name in config[section]:
            other = known.setdefault(name.lower(), name)
            if other != name:
                raise UserError(
                    f"{section}.{name}: '{other}' differs in case alone, and some disks make no difference; rename one"
                )
