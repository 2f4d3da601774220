"""A day of sound at many times its speed through ``asc-edge listen``, watched from outside.

    python tools/soak.py [--hours 24] [--bundle home-int8]

Four channels go into standard input, and a history is kept. Printed are memory, threads and descriptors as
they go, and the slope of memory over the second half. It fails where a decision is missing, anything was
skipped or lost, memory grows by more than half a megabyte and 1 MB a day, or threads or descriptors do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.demo import DemoSource
from asc_edge.cli.options import open_bundle

CHANNELS = 4
CHECKS = 48
MOST_MB, MOST_MB_A_DAY = 0.5, 1.0


def scene() -> NDArray[np.int16]:
    """A minute of the synthetic home, and half a minute of nothing at all."""
    sound = np.concatenate(list(DemoSource(realtime=False).blocks()))
    quiet = np.random.default_rng(1).standard_normal((len(sound) // 2, CHANNELS)) * 2.0
    loud = sound if sound.dtype == np.int16 else (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    return np.concatenate([loud, quiet.astype(np.int16)])


def resources(pid: int) -> tuple[float, int, int]:
    """Resident megabytes, threads and open descriptors of a process."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return int(fields["VmRSS"].split()[0]) / 1000, int(fields["Threads"]), descriptors


def soak(hours: float, bundle: str) -> list[str]:
    """Run it, print what is seen, and give back what is wrong."""
    opened = open_bundle(bundle)
    rate, total = opened.sample_rate_hz, round(hours * 3600 * opened.sample_rate_hz)
    sound, seen = scene(), []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        where = ["--history", str(Path(folder) / "history.db"), "--format", "jsonl", "--bundle", bundle]
        command = [
            sys.executable,
            "-m",
            "asc_edge.cli",
            "listen",
            "--input",
            "-",
            "--raw",
            f"{rate},{CHANNELS}",
        ]
        process = subprocess.Popen([*command, *where], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        last: list[bytes] = [b""]
        decisions = [0]

        def read() -> None:
            for line in process.stdout or ():
                decisions[0] += line.startswith(b'{"type": "decision"')
                last[0] = line

        reader = threading.Thread(target=read)
        reader.start()
        sent, next_check = 0, 0
        while sent < total:
            piece = sound[: total - sent]
            process.stdin.write(piece.tobytes())
            sent += len(piece)
            if sent * CHECKS >= next_check * total:
                next_check += 1
                row = (sent / rate / 3600, *resources(process.pid))
                seen.append(row)
                print("{:6.2f} h  {:7.1f} MB  {} threads  {} descriptors".format(*row), flush=True)
        process.stdin.close()
        reader.join()
        code = process.wait()
        size_kb = (Path(folder) / "history.db").stat().st_size / 1000
    stats = json.loads(last[0])
    expected = (total - round(opened.window_s * rate)) // round(opened.hop_s * rate) + 1
    late = np.array(seen[len(seen) // 2 :])
    slope = 24 * float(np.polyfit(late[:, 0], late[:, 1], 1)[0])
    growth = float(late[-1, 1] - late[0, 1])
    speed = hours * 3600 / (time.perf_counter() - began)
    lost = f"{stats['skipped']} skipped, {stats['lost_s']} s lost"
    print(f"{decisions[0]} decisions, {lost}; history {size_kb:.0f} kB")
    print(f"memory: {slope:+.2f} MB a day over the second half; {speed:.0f} times real time")
    faults = {
        f"{decisions[0]} decisions instead of {expected}": decisions[0] != expected,
        f"its own count is {stats['decisions']}": stats["decisions"] != expected,
        lost: bool(stats["skipped"] or stats["lost_s"]),
        f"memory grew by {growth:.2f} MB": growth > MOST_MB + MOST_MB_A_DAY * hours / 48,
        "threads or descriptors grew": bool((late[-1, 2:] > late[0, 2:]).any()),
        f"exit code {code}": code != 0,
    }
    return [fault for fault, holds in faults.items() if holds]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=24.0, help="of sound (default: %(default)s)")
    parser.add_argument("--bundle", default="home-int8", help="default: %(default)s")
    args = parser.parse_args()
    faults = soak(args.hours, args.bundle)
    for fault in faults:
        print(f"soak: error: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
