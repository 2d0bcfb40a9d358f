"""What a job of every rule takes: one table, by which the rules ask for threads, memory and time.

Each is a straight line in what there is to do (`convscope.planning.work`): so much for the process itself, and so much for each unit
of its work. The numbers are what was measured (docs/cluster.md), with room to spare: a job that asks for too little is killed.
"""

import math
from dataclasses import dataclass

# A job asks for this much time at least, minutes: nodes differ, and file systems stall.
SHORTEST = 15
# And for no more than this at first, which what cannot go on where it was stopped would need: many partitions end there.
LONGEST = 24 * 60
# So much longer than measured may a job take: an older processor, a loaded node.
SLOWER = 15
# No job asks for more memory at first, MB, whatever its config says; a profile may set a lower bound (`resources: mem_mb`).
MOST_MEMORY = 64_000
# Threads that drawing and reading pictures can use, and pictures for which another thread is worth its start.
MOST_THREADS, PICTURES_A_THREAD = 8, 100


@dataclass(frozen=True)
class Work:
    """What there is to do in one job, as far as the config tells.

    Attributes:
        held: millions of pixels that are in a network at once, times its width: 1 for the real Xception.
        seen: millions of pixels that go through a network, passes backwards counted as two, times its cost: 1 for the real Xception.
        pictures: pictures that are drawn or read, or listed in the table that is made.
        listed: rows of the tables that are read, where these are more.
    """

    held: float = 0.0
    seen: float = 0.0
    pictures: int = 0
    listed: int = 0


@dataclass(frozen=True)
class Need:
    """What a job of one rule takes.

    Attributes:
        mb: MB of the process itself.
        mb_held: MB more for every million pixels held.
        mb_thousand: MB more for every thousand pictures.
        s: seconds until the process works, and of its end.
        s_thousand: seconds more for every thousand pictures; those of pixels that go through a network are the same for all rules.
        gpu: whether it computes with a network, and so can use a graphics processor.
    """

    mb: int
    mb_held: int = 0
    mb_thousand: float = 0.0
    s: float = 1.0
    s_thousand: float = 0.0
    gpu: bool = False


# Processor seconds of a million pixels on their way through the real Xception.
S_SEEN = 2.0
# MB of a thousand rows of a table: a job of one shard reads that of the whole set.
MB_LISTED = 1.0


def _network(mb: int, mb_held: int, s: float = 4.0, mb_thousand: float = 1.0) -> Need:
    """Of a job that computes with a network: Python and TensorFlow are 0.6 GB and three seconds before anything is done."""
    return Need(mb, mb_held=mb_held, mb_thousand=mb_thousand, s=s, s_thousand=10.0, gpu=True)


def _figures(mb: int, s: float = 1.0, s_thousand: float = 20.0) -> Need:
    """Of a job that draws."""
    return Need(mb, mb_thousand=1.0, s=s, s_thousand=s_thousand)


NEEDS: dict[str, Need] = {
    "draw_pets": Need(600, s=1, s_thousand=20),
    "draw_produce": Need(600, s=1, s_thousand=40),
    "download": Need(500, s=60),
    "extract": Need(1000, mb_thousand=1, s=1, s_thousand=2),
    "dataset": Need(800, mb_thousand=4, s=1, s_thousand=2),
    "contact_sheet": Need(800, mb_thousand=2, s=2),
    "image_set": Need(500, mb_thousand=4, s=1, s_thousand=2),
    "masks": Need(500, mb_thousand=2, s=1, s_thousand=2),
    "masks_to_learn": Need(500, mb_thousand=2, s=1, s_thousand=2),
    "train_model": _network(1500, 6000),
    "train_seed": _network(1500, 6000),
    "transfer_model": _network(1500, 6000),
    "train_segmentation": _network(1500, 12000),
    "train_autoencoder": _network(1500, 6000),
    "import_model": Need(4000, s=20),
    "fetch_model": Need(4000, s=60),
    "layers": Need(2000, s=3),
    "training_curves": Need(500),
    "evaluate": _network(1300, 1500),
    "evaluate_seed": _network(1300, 1500),
    "classifier_report": _figures(1000, s=3),
    "activations": _network(1300, 3000),
    "gather_activations": Need(500, s=1, s_thousand=0.2),
    "channel_sheets": _figures(1500, s=2),
    "ascend": _network(1300, 3000),
    "ascend_objective": _network(1500, 4000),
    "filter_grid": _figures(1000),
    "unit_answers": Need(2500, mb_held=3000, mb_thousand=200, s=8, s_thousand=300, gpu=True),
    "unit_crops": _figures(1000, s=5),
    "unit_table": Need(3000, mb_thousand=600, s=20, s_thousand=60),
    "concept_vectors": _network(2500, 3000, s=8, mb_thousand=1500),
    "concept_patterns": _network(1500, 4000),
    "concept_sheets": _figures(1200, s=3),
    "pattern_paths": Need(2500, mb_held=3000, mb_thousand=2, s=10, gpu=True),
    "pattern_table": Need(600, s=2),
    "concept_masks": Need(600, mb_thousand=150, s=4, s_thousand=200),
    "gap_head": _network(1300, 1500),
    "cam": _network(1300, 1500),
    "gather_cam": Need(1000, s=1, s_thousand=2),
    "overlays": _figures(800),
    "attribution": _network(1300, 3000),
    "gather_attribution": Need(1000, s=1, s_thousand=2),
    "attribution_figures": _figures(1000),
    "side_by_side": _figures(1000, s=2, s_thousand=100),
    "judge": _network(1300, 1000, s=6),
    "judge_controls": _network(1300, 1000, s=6),
    "strategies": Need(800, mb_thousand=60, s=8, s_thousand=8),
    "judging_report": Need(2000, s=5, s_thousand=10),
    "judging_against": Need(2000, s=5, s_thousand=10),
    "segment": _network(1300, 3000),
    "segmentation_report": _figures(1000, s=2, s_thousand=50),
    "segmentation_cam": _network(1300, 1500),
    "segmentation_cam_figure": _figures(1000),
    "predicted_masks": _figures(1000, s=1, s_thousand=20),
    "watch": _network(1300, 1500),
    "watch_figures": _figures(1000, s=2),
    "watch_board": Need(2000, s=5, s_thousand=20),
    "watch_filters": _network(1300, 3000),
    "watch_filter_figures": _figures(1000),
    "comparison": Need(3000, mb_thousand=0.5, s=15, s_thousand=0.1),
    "compared_cams": Need(1000),
    "compared_filters": Need(1000),
    "figure": Need(1000, s=2),
    "gallery": Need(1000, mb_thousand=6, s=5, s_thousand=1),
    "index": Need(500, s=1),
}


def seconds(rule: str, work: Work) -> float:
    """How long a job takes on one processor like those measured: a guess, good to a factor of a few.

    Args:
        rule: its name.
        work: what there is to do.
    """
    need = NEEDS[rule]
    return need.s + S_SEEN * work.seen + need.s_thousand * work.pictures / 1000


def minutes(rule: str, work: Work, attempt: int = 1) -> int:
    """Minutes that a job asks for; one that was out of time gets as much again with every further attempt."""
    once = math.ceil(SLOWER * seconds(rule, work) / 60)
    return min(max(once, SHORTEST), LONGEST) * attempt


def megabytes(rule: str, work: Work, attempt: int = 1) -> int:
    """MB that a job asks for, in hundreds; one that was killed for want of them gets as much again with every further attempt."""
    need = NEEDS[rule]
    once = need.mb + need.mb_held * work.held + need.mb_thousand * work.pictures / 1000 + MB_LISTED * work.listed / 1000
    return min(math.ceil(once / 100) * 100, MOST_MEMORY) * attempt


def threads(pictures: int) -> int:
    """Threads that are worth their start for drawing or reading so many pictures."""
    return min(max(math.ceil(pictures / PICTURES_A_THREAD), 1), MOST_THREADS)
