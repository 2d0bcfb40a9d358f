"""What figures there are, what each shows, and the lines of config that ask for it. Imports nothing heavy: the rules read it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from convscope.errors import UserError, nearest
from convscope.figure_index import sources
from convscope.figure_index.sources import Layers, Source

Config = Mapping[str, Any]

# The files of a report have the same names whatever a model's outputs are: what each shows of labels, and of numbers.
OF_OTHER_HEADS = {
    "multilabel": {
        "confusion": "right and wrong of every label",
        "confusion_normalised": "right and wrong of every label, shares",
        "roc": "ROC and precision by recall",
        "most_confident_errors": "surest wrong labels",
        "classes": "table of labels",
    },
    "regression": {
        "confusion": "prediction by truth",
        "confusion_normalised": "error by truth",
        "roc": "share of images by error",
        "calibration": "mean truth by prediction",
        "most_confident_errors": "most wrong",
        "classes": "table of outputs",
    },
}


@dataclass(frozen=True)
class Figure:
    """A figure that a study can have.

    Attributes:
        title: a heading.
        shows: what is to be seen, a sentence.
        config: lines of a study file that ask for it, beside its data and its model.
        sources: from a completed config and the names of a model's layers to what the figure is made of; empty where the config
            does not ask for it.
        of_other_heads: titles for models whose outputs are no classes, by their head; the same as of classes where there is none.
    """

    title: str
    shows: str
    config: str
    sources: Callable[[Config, Layers], Sequence[Source]]
    of_other_heads: Mapping[str, str] = field(default_factory=dict)

    def title_of(self, heads: Iterable[str]) -> str:
        """The heading above pictures of models with these heads: what each of them is, once."""
        found = dict.fromkeys(self.of_other_heads.get(head, self.title) for head in heads)
        return "; ".join(found) or self.title


def _stage(stage: str, *settings: str) -> str:
    return "\n".join([f"{stage}:", "  my_model:", *(f"    {line}" for line in settings)])


def _report(file: str, title: str, shows: str) -> Figure:
    def found(config: Config, layers: Layers) -> list[Source]:
        return sources.of_evaluations(config, file)

    stem = file.partition(".")[0]
    words = {head: names[stem] for head, names in OF_OTHER_HEADS.items() if stem in names}
    titles = {head: text[0].upper() + text[1:] for head, text in words.items()}
    return Figure(title, shows, "evaluations:\n  my_model: [my_data/test]", found, titles)


def _cam(method: str) -> Figure:
    def found(config: Config, layers: Layers) -> list[Source]:
        beside = sources.of_attribution(config, method) if method in ATTRIBUTIONS else []
        return [*sources.of_cam(config, method), *(replace(each, label=f"{each.label} attribution") for each in beside)]

    title = CAMS[method]
    shows = f"{title} of the pictures of a set, each with what the model says of it, and the first one alone."
    return Figure(title, shows, _stage("cams", "images: [my_pictures]", f"methods: [{method}]"), found)


def _attribution(method: str) -> Figure:
    def found(config: Config, layers: Layers) -> list[Source]:
        return sources.of_attribution(config, method)

    title, lines = ATTRIBUTIONS[method].title, ["images: [my_pictures]", f"methods: [{method}]"]
    shows = f"{title} of the pictures of a set, and the first one's map alone and over its photo."
    if method == "lime":
        shows = "LIME's three views of a picture: what speaks for the class alone, outlines by sign, coefficients as colours."
    if method.startswith("pertinent"):
        lines.append(f"{method}: {{gamma: 100, autoencoder: my_data}}")
    return Figure(title, shows, _stage("attributions", *lines), found)


def _figures() -> dict[str, Figure]:
    maps = {method: _cam(method) for method in CAMS}
    attributions = {method: _attribution(method) for method in ATTRIBUTIONS if method not in maps}
    pictures = "images: [my_pictures]"
    return {
        "test_photo": Figure(
            "A test photo",
            "The first picture of each set, as the explanations show it.",
            "image_sets:\n  my_pictures: {dataset: my_data, split: test, per_class: 4}",
            sources.photos,
        ),
        "training_curves": Figure(
            "Training curves",
            "Accuracy and loss by epoch, of pictures learned from and of pictures never seen.",
            "models:\n  my_model: {source: train, architecture: convnet, dataset: my_data, epochs: 20}",
            sources.training_curves,
        ),
        "every_epoch": Figure(
            "Every epoch of a training",
            "What a model says of pictures, what flips, and where it looks, after each kept epoch.",
            _stage("watching", pictures, "methods: [gradcam]"),
            sources.every_epoch,
        ),
        "patterns_by_epoch": Figure(
            "Filter patterns by epoch",
            "What a few filters look for while the model learns, from the same start each time.",
            _stage("watching", pictures, "filters: {layer: conv3, filters: 4}"),
            sources.patterns_by_epoch,
        ),
        "one_channel": Figure(
            "One channel of a layer",
            "What one channel of the first layer answers to a picture, with its scale.",
            _stage("activations", pictures, "channel: 3"),
            sources.one_channel,
        ),
        "all_channels": Figure(
            "Every channel of every layer",
            "A sheet a layer: every channel's answer to one picture.",
            _stage("activations", pictures, "sheets: 1"),
            sources.all_channels,
        ),
        "sparsity": Figure(
            "Sparsity by depth",
            "The share of zeros behind each ReLU, and of channels that no picture wakes.",
            _stage("activations", pictures),
            sources.sparsity,
        ),
        "units_by_depth": Figure(
            "What units detect, by depth",
            "How many units of each layer fire where a concept is, beyond chance, and of which kind it is.",
            _stage("units", pictures),
            sources.units_by_depth,
        ),
        "patterns_to_believe": Figure(
            "Which filter patterns to believe",
            "How strongly units answer to their patterns, and whether by the way of real pictures, by layer and preset.",
            _stage("units", pictures) + "\nfilters:\n  my_model: {layers: all}",
            sources.patterns_to_believe,
        ),
        "real_crops": Figure(
            "Real crops that fire a unit most",
            "For each unit what it sees of the pictures to which it answers most, and of some from strong to silent.",
            _stage("units", pictures),
            sources.real_crops,
        ),
        "concepts": Figure(
            "Concepts in pictures",
            "Where parts, colours, edges and textures are, with which the firing places of units are compared.",
            _stage("units", pictures),
            sources.concepts,
        ),
        "concept_vectors": Figure(
            "Concepts that a class depends on",
            "How the logit of each class changes towards ears, green or stripes, beside what random concepts do.",
            _stage("concepts", pictures),
            sources.concept_vectors,
        ),
        "found_concepts": Figure(
            "Concepts found without labels",
            "Of which parts a model makes a class up: the crops that have most of each, where it is, and how much it counts.",
            _stage("concepts", pictures),
            sources.found_concepts,
        ),
        "misclassified_activations": Figure(
            "Activations of misclassified pictures",
            "Every channel of every layer for pictures that a model gets wrong.",
            "image_sets:\n  wrong: {evaluation: my_model, dataset: my_data, split: test, group: errors, limit: 2}\n"
            + _stage("activations", "images: [wrong]", "sheets: 2"),
            sources.misclassified_activations,
        ),
        "one_filter": Figure(
            "One filter's pattern",
            "The picture that one filter of each layer answers to most, by gradient ascent.",
            _stage("filters", "layers: all", "filters: 16"),
            sources.one_filter,
        ),
        "filter_grids": Figure(
            "Filter grids of chosen layers",
            "A grid a layer: the picture that each filter answers to most.",
            _stage("filters", "layers: [block2_conv1, block4_conv1]", "filters: 64"),
            sources.filter_grids,
        ),
        "activation_maximisation": Figure(
            "Activation maximisation of a small network",
            "The patterns of every layer of a network trained here, and how their objectives rose.",
            "models:\n  my_model: {source: train, architecture: convnet, dataset: my_data, epochs: 20}\n"
            + _stage("filters", "layers: all", "filters: 16"),
            sources.activation_maximisation,
        ),
        "heatmap": Figure(
            "A heatmap alone",
            "The map of a class for one picture, as the layer has it, and enlarged.",
            _stage("cams", pictures, "methods: [gradcam]"),
            sources.heatmaps,
        ),
        "heatmap_over_photo": Figure(
            "A heatmap over its photo",
            "The same map laid over the picture.",
            _stage("cams", pictures, "methods: [gradcam]"),
            sources.heatmaps_over_photos,
        ),
        **maps,
        **attributions,
        "side_by_side": Figure(
            "All methods side by side",
            "A picture, what the model says of it, and every method's map.",
            _stage("attributions", pictures, "methods: [saliency, integrated_gradients, occlusion]"),
            sources.side_by_side,
        ),
        "judging": Figure(
            "Which explanation to believe",
            "Every method by every measure, and beside what needs no model.",
            _stage("judging", pictures),
            sources.judging,
        ),
        "kinds_of_reasons": Figure(
            "Kinds of reasons",
            "Heatmaps of a class that look alike, put together: the mean of each kind, and a map of the pictures.",
            _stage("cams", pictures, "methods: [gradcam]") + "\n" + _stage("strategies", pictures),
            sources.kinds_of_reasons,
        ),
        "segmentation_masks": Figure(
            "Segmentation masks",
            "Pictures, true and predicted masks; the worst ones; which class's pixels are taken for which.",
            _stage("segmentation", pictures),
            sources.segmentation,
        ),
        "ablation": Figure(
            "Networks compared",
            "Curves of several seeds and what they cost, heatmaps and filters of the same depths side by side.",
            "comparisons:\n  mine: {models: [my_model, my_other_model], split: my_data/test, seeds: 3, images: some}",
            sources.comparisons,
        ),
        "seg_gradcam": Figure(
            "Seg-Grad-CAM",
            "Where the evidence for each class lies, its score being the sum of its logits over the outlined pixels.",
            _stage("segmentation", pictures, "gradcam: {regions: [predicted, whole]}"),
            sources.seg_gradcam,
        ),
        "transfer_heads": Figure(
            "What CAM's head costs",
            "The accuracy of a pooled and of a dense head on the same frozen layers.",
            "models:\n  new: {source: transfer, base: my_model, dataset: my_data}",
            sources.transfer_heads,
        ),
        "roc": _report(
            "roc.png", "ROC curves",
            "True by false positives, of each class; of labels precision by recall, too; of numbers images within each error.",
        ),
        "confusion": _report(
            "confusion.png", "Confusion matrix",
            "How often each class was taken for which; of labels right and wrong of each; of numbers the prediction by the truth.",
        ),
        "calibration": _report(
            "calibration.png", "Calibration",
            "How often the model is right, by how sure it is; of numbers the mean truth by the prediction.",
        ),
        "surest_errors": _report(
            "most_confident_errors.png", "Most confident errors",
            "The wrong predictions that the model is surest of; of numbers the largest errors.",
        ),
        "class_table": _report(
            "classes.csv", "Class table",
            "Precision, recall, F1 and ROC area of each class; of numbers the errors of each output.",
        ),
        "predictions": _report(
            "predictions.csv", "Table of predictions",
            "The surest errors, then the least sure hits; of labels and of numbers the largest errors.",
        ),
    }  # fmt: skip


FIGURES: dict[str, Figure] = _figures()


def sources_of(name: str, config: Config, layers: Layers) -> list[Source]:
    """What a figure of a study is made of.

    Args:
        name: of the figure.
        config: of the study, with the schema's defaults filled in.
        layers: from a model's name to those of its layers whose filter patterns are asked for.

    Raises:
        UserError: there is no figure of the name, or the config does not ask for it; the message has the lines that would.
    """
    if name not in FIGURES:
        raise UserError(f"figures/{name}: no such figure; {nearest(name, FIGURES)}")
    found = list(FIGURES[name].sources(config, layers))
    if not found:
        lines = " / ".join(line.strip() for line in FIGURES[name].config.splitlines())
        raise UserError(f"figures/{name}: the study asks for none; its config wants: {lines}")
    return found
