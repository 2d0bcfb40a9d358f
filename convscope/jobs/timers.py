"""The end of a workflow."""

import threading


def cancel_timers() -> None:
    """Cancel the timers that wait in this process.

    Snakemake's scheduler looks for jobs again after a span, and once more after each job that has ended; when all is done, the
    process would wait for the last of these timers.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
