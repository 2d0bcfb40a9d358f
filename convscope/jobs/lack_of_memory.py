"""A graphics processor, or a machine, whose memory is too small for a job: said in one line, with the key to lower.

Imports nothing heavy.
"""

from convscope.backends.memory import out_of_memory

# Script -> the key of its stage, or of its model, that says how much is computed at once.
KEYS = {
    "ascend": ("filters", "batch"),
    "ascend_objective": ("filters", "size"),
    "attribution": ("attributions", "batch"),
    "cam": ("cams", "batch"),
    "judge": ("judging", "batch"),
    "segment": ("segmentation", "batch"),
    "segmentation_cam": ("segmentation", "batch"),
    "train_model": ("models", "batch_size"),
    "train_segmentation": ("models", "batch_size"),
    "transfer_model": ("models", "batch_size"),
    "watch_filters": ("watching", "filters"),
}

# Jobs whose stage has no number to lower: what to write there instead.
INSTEAD = {"concept_patterns": "write 'patterns: fast' or 'patterns: none' under 'concepts:'"}


def told(error: BaseException, script: str) -> str:
    """What to do about a lack of memory, in one line; "" where an error is another one.

    Args:
        error: of a job.
        script: its name.
    """
    if not out_of_memory(error):
        return ""
    stage, key = KEYS.get(script, ("", ""))
    smaller = f"write a smaller '{key}' under '{stage}:'" if stage else "give the model smaller pictures ('image_size')"
    lower = INSTEAD.get(script, smaller)
    return (
        f"too little memory is left on the processor that computes; {lower}, or end what else uses it (with 'gpu: true' jobs of a "
        "study take turns on a graphics processor)"
    )
