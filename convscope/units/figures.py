"""How many units look for what, and which patterns are to be believed, by depth, drawn."""

from collections.abc import Sequence
from pathlib import Path

from convscope.pictures.plots import new_figure, save_figure
from convscope.units.report import LayerCount
from convscope.units.trust import PresetCount

# A colour a kind, the same in every study.
COLOURS = {
    "part": "#d1495b",
    "class": "#8d5a97",
    "place": "#7d8597",
    "colour": "#edae49",
    "orientation": "#2e86ab",
    "frequency": "#66a182",
    "texture": "#a44a3f",
}
_MOSTLY, _NONE, _DEAD = "#c9d6e3", "#eef1f4", "#30343a"


def units_by_depth(path: str | Path, title: str, layers: Sequence[LayerCount]) -> None:
    """Draw for each layer the shares of its units that detect a concept, by kind, mostly fire in one, or never fire.

    Args:
        path: the PNG.
        title: of the figure.
        layers: in order of depth.
    """
    count = max(len(layers), 1)
    figure, axes = new_figure(8.5, 1.6 + 0.26 * count)
    places = list(range(len(layers)))
    left = [0.0] * len(layers)

    def bars(label: str, values: Sequence[int], colour: str) -> None:
        nonlocal left
        if not any(values):
            return
        shares = [value / max(layer.units, 1) for value, layer in zip(values, layers, strict=True)]
        axes.barh(places, shares, left=left, color=colour, height=0.82, label=label, linewidth=0)
        left = [a + b for a, b in zip(left, shares, strict=True)]

    for kind, colour in COLOURS.items():
        bars(kind, [layer.by_kind.get(kind, 0) for layer in layers], colour)
    bars("fires mostly in one", [layer.mostly for layer in layers], _MOSTLY)
    rest = [layer.units - layer.detectors - layer.mostly - layer.dead for layer in layers]
    bars("nothing with a name", rest, _NONE)
    bars("never fires", [layer.dead for layer in layers], _DEAD)
    for place, layer in zip(places, layers, strict=True):
        text = f"{layer.detectors} of {layer.units} detect, {layer.concepts} different"
        axes.text(1.01, place, text, va="center", fontsize=7, color="#444444")
    axes.set_yticks(places, [layer.layer for layer in layers], fontsize=7)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the layer's units", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    if layers:
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=7)
    save_figure(figure, path)


_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_PRESETS = ("#2e86ab", "#c2571a", "#66a182", "#8d5a97", "#7d8597")


def patterns_by_depth(path: str | Path, title: str, counts: Sequence[PresetCount]) -> None:
    """Draw by layer and preset how strongly units answer to their patterns, how far by real pictures' way, how many are believed.

    Args:
        path: the PNG.
        title: of the figure.
        counts: in order of depth.
    """
    layers = list(dict.fromkeys(count.layer for count in counts))
    presets = list(dict.fromkeys(count.preset for count in counts))
    figure, axes = new_figure(9.5, 1.9 + 0.3 * max(len(layers), 1), columns=3)
    what = (
        ("answer, of the largest to a real picture (median)", "ratio", 1.0),
        ("way: 0 random pictures, 1 the best (median)", "path", 0.0),
        ("share to be believed (dotted: not to be)", "share", None),
    )
    for place, (axis, (label, name, line)) in enumerate(zip(axes, what, strict=True)):
        for number, preset in enumerate(presets):
            of = [count for count in counts if count.preset == preset]
            depths, colour = [layers.index(count.layer) for count in of], _PRESETS[number % len(_PRESETS)]
            values = [count.trusted / count.patterns if name == "share" else getattr(count, name) for count in of]
            axis.plot(values, depths, "o-", color=colour, markersize=4, linewidth=1, label=preset)
            if name == "share":
                doubted = [count.doubted / count.patterns for count in of]
                axis.plot(doubted, depths, "o:", color=colour, markersize=2.5, linewidth=1)
        if line is not None:
            axis.axvline(line, color="#444444", linewidth=0.8, linestyle=":")
        axis.set_yticks(range(len(layers)), layers if not place else [""] * len(layers), fontsize=7)
        axis.set_xlabel(label, fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
        axis.invert_yaxis()
        axis.grid(axis="x", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    if counts:
        shown = [count.ratio for count in counts if count.ratio > 0] or [1.0]
        ticks = [tick for tick in _TICKS if min(shown) / 1.5 <= tick <= 1.5 * max(shown)]
        axes[0].set_xscale("log")
        axes[0].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes[0].minorticks_off()
        axes[2].set_xlim(-0.03, 1.03)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)
