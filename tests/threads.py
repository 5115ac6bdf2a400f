"""Work that several threads do at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


def on_threads(work: Callable[[], object], number: int = 8) -> None:
    """Do it on so many threads, which begin at once, and wait for all of them."""
    barrier = threading.Barrier(number)

    def start() -> None:
        barrier.wait(timeout=30)
        work()

    threads = [threading.Thread(target=start) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
