"""The programs of `examples/` print what follows from their numbers."""

import pathlib
import subprocess
import sys

PROGRAMS = pathlib.Path(__file__).parent.parent / "examples"


def printed(program: str) -> str:
    """What a program says, run as a user runs it."""
    done = subprocess.run(
        [sys.executable, PROGRAMS / program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_iot() -> None:
    out = printed("iot.py")
    # Temperatures are 20 + 1.5 * (t % 50): past 80 from t % 50 = 41 on, four times.
    assert out.count("ALERT") == 9 * 4
    assert "36 alerts\n" in out
    # device_4 has t % 50 of 4, 9, ... 49, so 26 to 93.5 and 59.75 on average.
    assert "device_4: 40 readings, 59.75 on average, at most 93.5\n" in out


def test_timeseries() -> None:
    out = printed("timeseries.py")
    large = sum(100 + t * 7919 % 15_000 > 10_000 for t in range(1000))
    assert f"{large} large trades\n" in out
    # The last trade is at 999 s; five seconds before it, sixteen minutes are over.
    assert "64 bars are final\n" in out
    prices = [100.0 + (t * 37 % 200) / 10 for t in range(0, 60, 4)]
    first = f"open {prices[0]}, high {max(prices)}, low {min(prices)}, close {prices[-1]}"
    assert f"14:30 AAPL: {first}\n" in out


def test_correlation() -> None:
    assert printed("correlation.py").splitlines() == [
        "alice at 1.2.3.4 paid 29.99",
        "bob at 5.6.7.8 paid 999.0",
        "alice at 1.2.3.4 paid 750.0",
        "large: bob, 999.0",
        "large: alice, 750.0",
    ]


def test_dashboard() -> None:
    latencies = [(t, t * 173 % 700) for t in range(100)]
    slow = [(t, latency) for t, latency in latencies if latency > 500][:5]
    assert printed("dashboard.py").splitlines() == [
        *(f"Slow request: {['api', 'web', 'worker'][t % 3]} took {ms} ms" for t, ms in slow),
        "Detected 5 slow requests",
    ]


def test_producer_and_consumer() -> None:
    assert printed("producer_consumer.py").splitlines() == [
        *(f"window {start}: 100 events" for start in range(0, 500, 100)),
        "Consumed 500 events",
    ]
