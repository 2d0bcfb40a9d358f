"""The benchmark: this project, the textbook's loops and other libraries on the same network, round by round.

`python -m bench --help`. Nothing here is part of the pipeline. Measurements are noisy: only ratios of interleaved rounds
are judged, and their spread is shown with them.
"""
