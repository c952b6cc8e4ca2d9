"""Write `sample_fleet_history.csv`: three days of readings of eight invented hosts.

The file is SAMPLE data: no host in it exists, and every host name starts with `sample-`. Seven hosts have an
ordinary day and night. `sample-worker-02` leaks memory and loses its fan from the second day on, so its
load, memory and temperature rise while its disk stays as it was. Run again, the script writes the same bytes.

    python examples/make_sample_fleet_history.py [TARGET]
"""

from __future__ import annotations

import csv
import math
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

SEED = 20260301
FIRST_READING_AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
HOURS = 72
MINUTES_BETWEEN_READINGS = 15
COLUMNS = ("observed_at", "host", "load_per_cpu", "memory_percent", "disk_percent", "temperature_celsius")

# Resting levels of each host: load per CPU, memory %, disk %, temperature in degrees Celsius.
HOSTS = {
    "sample-api-01": (0.42, 51.0, 38.0, 49.0),
    "sample-api-02": (0.45, 53.0, 39.0, 50.0),
    "sample-api-03": (0.40, 49.0, 37.0, 48.0),
    "sample-db-01": (0.52, 60.0, 57.0, 53.0),
    "sample-db-02": (0.47, 58.0, 55.0, 52.0),
    "sample-worker-01": (0.50, 46.0, 44.0, 54.0),
    "sample-worker-02": (0.49, 47.0, 45.0, 54.0),
    "sample-worker-03": (0.51, 45.0, 43.0, 55.0),
}
DEGRADING_HOST = "sample-worker-02"
DEGRADES_AFTER_HOURS = 28.0


def main(target: Path) -> None:
    """Write the whole history to `target`, replacing it."""
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(readings())


def readings() -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield one row for each host and quarter of an hour, oldest first."""
    noise = random.Random(SEED)
    for step in range(HOURS * 60 // MINUTES_BETWEEN_READINGS):
        hours = step * MINUTES_BETWEEN_READINGS / 60
        observed_at = (FIRST_READING_AT + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
        for host in HOSTS:
            load, memory, disk, temperature = reading(host, hours, noise)
            yield observed_at, host, f"{load:.3f}", f"{memory:.1f}", f"{disk:.1f}", f"{temperature:.1f}"


def reading(host: str, hours: float, noise: random.Random) -> tuple[float, float, float, float]:
    """One reading of `host`, `hours` after the first one."""
    load, memory, disk, temperature = HOSTS[host]
    daylight = 0.5 - 0.5 * math.cos(2 * math.pi * (hours - 3) / 24)  # 0 at three at night, 1 at three in the afternoon
    decay = degradation(host, hours)
    return (
        max(0.02, load * (0.75 + 0.45 * daylight) + 0.75 * decay + noise.gauss(0, 0.03)),
        min(99.0, memory + 4.0 * daylight + 43.0 * decay + noise.gauss(0, 0.8)),
        min(99.0, disk + 0.02 * hours + noise.gauss(0, 0.1)),
        temperature + 4.0 * daylight + 31.0 * decay + noise.gauss(0, 0.7),
    )


def degradation(host: str, hours: float) -> float:
    """How far `host` has degraded: 0 while it is healthy, 1 at the end of the history."""
    if host != DEGRADING_HOST:
        return 0.0
    return max(0.0, (hours - DEGRADES_AFTER_HOURS) / (HOURS - DEGRADES_AFTER_HOURS))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("sample_fleet_history.csv"))
