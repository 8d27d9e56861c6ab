"""Progress of long work, by tqdm where it is installed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def rows(what: str, wanted: bool | None) -> Iterator[Callable[[int], Any] | None]:
    """Counts rows while the work goes on. ``wanted`` is None for a bar only if the work takes more than two seconds."""
    bar = _bar(what, " rows", wanted)
    if bar is None:
        yield None
        return
    with bar:
        yield bar.update


@contextlib.contextmanager
def clock(what: str, wanted: bool | None) -> Iterator[None]:
    """Shows how long work without a measure has taken."""
    bar = _bar(what, "", wanted)
    if bar is None:
        yield
        return
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(0.5):
            bar.refresh()

    thread = threading.Thread(target=tick, daemon=True)
    with bar:
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _bar(what: str, unit: str, wanted: bool | None) -> Any:
    if wanted is False:
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        if wanted:
            raise ImportError("progress=True needs tqdm: pip install tqdm") from None
        return None
    import sys

    # Without being asked for, only a person who watches sees it.
    if wanted is None and not sys.stderr.isatty():
        return None
    shape = "{desc}: {n_fmt}{unit} [{elapsed}]" if unit else "{desc} [{elapsed}]"
    return tqdm(desc=what, unit=unit, unit_scale=True, delay=0 if wanted else 2, bar_format=shape, leave=bool(wanted))
