"""Progress of a long loop: a tqdm bar in a terminal, one line every ten seconds in a log file."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

_SECONDS = 10.0
_LINE = "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


def progress(iterable: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """Return `tqdm(iterable, ...)`; where stderr is not a terminal, it prints lines instead of redrawing a bar.

    A line shows the count, elapsed and remaining time, and the rate. Loops shorter than ten seconds print nothing.
    """
    if sys.stderr.isatty():
        return tqdm(iterable, dynamic_ncols=True, **options)
    options |= {"mininterval": _SECONDS, "miniters": 1, "delay": _SECONDS, "leave": False, "bar_format": _LINE}
    return _Lines(iterable, **options)


class _Lines(tqdm):
    monitor_interval = 0  # no thread: `miniters=1` checks the time at every update

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        if msg is None:  # an empty message would clear a bar
            print(self, file=self.fp, flush=True)
        return False

    def close(self) -> None:
        printed = not self.disable and self.last_print_t >= self.start_t + self.delay
        if printed and self.last_print_n < self.n:
            self.display()
        super().close()
