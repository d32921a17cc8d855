"""What the benchmarks share: time a call, print a line."""

import time
from collections.abc import Callable


def report(what: str, rows: int, call: Callable[[], object], repeats: int = 5) -> None:
    """Runs a call several times and prints the rows per second of the fastest."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    print(f"{what:<28} {rows / best:>14,.0f} rows/s {best * 1000:>10.2f} ms")
