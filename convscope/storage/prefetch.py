"""Work that overlaps: results computed ahead of their use, and results used while the next are computed.

Both hold a bounded number of things, so that memory does not grow with their number, and both keep the order and pass
errors on to the caller.
"""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int = 1, depth: int = 2
) -> Iterator[Result]:
    """Results of `function(item)` in the order of the items, computed in threads before they are asked for.

    Work starts with the call, not with the first `next`: what follows the call overlaps with it.

    Args:
        function: must release Python's lock for the overlap to help (decoding, NumPy on large arrays).
        items: taken one at a time.
        threads: at work at the same time.
        depth: results at most that wait or are being made.

    Raises:
        Whatever `function` raised, where its result would have come.
    """
    pool = ThreadPoolExecutor(threads)
    source = iter(items)
    waiting: deque[Future[Result]] = deque()

    def fill() -> None:
        while len(waiting) < depth:
            try:
                item = next(source)
            except StopIteration:
                return
            waiting.append(pool.submit(function, item))

    def results() -> Iterator[Result]:
        try:
            while waiting:
                result = waiting.popleft().result()
                fill()
                yield result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    try:
        fill()
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    return results()


@contextlib.contextmanager
def behind(function: Callable[[Any], None], depth: int = 2) -> Iterator[Callable[[Any], None]]:
    """A `put(item)` that has `function(item)` run in one thread, in order, while the caller goes on.

    `put` waits while `depth` items wait. An error of `function` is raised by the next `put`, or at the end of the block;
    after it no further item is worked on.
    """
    waiting: queue.Queue[Any] = queue.Queue(depth)
    end = object()
    errors: list[BaseException] = []

    def work() -> None:
        while (item := waiting.get()) is not end:
            if errors:
                continue
            try:
                function(item)
            except BaseException as error:  # raised again by the caller's thread
                errors.append(error)
            del item

    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def put(item: Any) -> None:
        if errors:
            raise errors[0]
        waiting.put(item)

    try:
        yield put
    finally:
        waiting.put(end)
        thread.join()
    if errors:
        raise errors[0]
