"""What each backend raises where memory runs out, told from its name and its words: Keras raises some of it anew, as another kind."""

import re

_KINDS = ("OutOfMemoryError", "ResourceExhaustedError")
_SAID = re.compile(
    r"RESOURCE_EXHAUSTED|out of memory|CUDA_ERROR_OUT_OF_MEMORY|CU(BLAS|DNN)_STATUS_ALLOC_FAILED|OOM when allocating"
    r"|Dst tensor is not initialized|DefaultCPUAllocator: (can't|not enough)",
    re.IGNORECASE,
)


def out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory for what was to be computed."""
    return isinstance(error, MemoryError) or type(error).__name__ in _KINDS or bool(_SAID.search(str(error)))
