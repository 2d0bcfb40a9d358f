"""A finished run does not wait for timers."""

import threading

from convscope.jobs.timers import cancel_timers


def test_timers_end_and_other_threads_go_on() -> None:
    fired: list[str] = []
    timer = threading.Timer(60, fired.append, ["late"])
    go = threading.Event()
    worker = threading.Thread(target=go.wait, args=(30,))
    for thread in (timer, worker):
        thread.start()
    cancel_timers()
    timer.join(10)
    assert not timer.is_alive() and worker.is_alive() and not fired
    go.set()
    worker.join(10)
    assert not worker.is_alive()
