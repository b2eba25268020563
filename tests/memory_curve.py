"""The memory of a command as it runs: python tests/memory_curve.py OUT.csv COMMAND...

Writes seconds and mebibytes of the command and all that it starts (resident set size, every ten seconds, Linux), and
at the end a line with the growth from the tenth part of the time on. No test: an hour of it takes an hour.
"""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

_EVERY = 10.0  # seconds


def resident_mebibytes(pid: int) -> float:
    """Of a process and its descendants; 0 when it is gone."""
    total = 0.0
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        total += pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(resident_mebibytes(int(child)) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return total


def growth(curve: list[tuple[float, float]]) -> tuple[float, float]:
    """Mebibytes at the tenth part of the time, and the slope from there on in mebibytes an hour (least squares)."""
    seconds, mebibytes = np.array(curve[len(curve) // 10 :]).T
    return float(mebibytes[0]), float(np.polyfit(seconds, mebibytes, 1)[0] * 3600)


def main(path: str, command: list[str]) -> int:
    """Runs the command, writes its curve, returns its status."""
    process, start, curve = subprocess.Popen(command), time.monotonic(), []
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", "mebibytes"])
        while process.poll() is None:
            curve.append((time.monotonic() - start, resident_mebibytes(process.pid)))
            writer.writerow([f"{curve[-1][0]:.0f}", f"{curve[-1][1]:.1f}"])
            file.flush()
            time.sleep(_EVERY)
    level, slope = growth(curve)
    print(f"{path}: {curve[-1][0] / 60:.0f} minutes, {level:.0f} MiB after a tenth, then {slope:+.1f} MiB an hour")
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
