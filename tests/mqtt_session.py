"""A session's lines, as a runner would give them to the MQTT sink."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from asc_edge.pipeline import Decision
from asc_edge.sinks import Session, Stats

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LABELS = ("cooking", "absence", "watching_tv")
STATS = Stats(decisions=10, skipped=2, overruns=0, lost_s=0.0, duration_s=20.0)


def session(**fields: Any) -> Session:
    return Session(
        **{
            "bundle": "home",
            "bundle_version": "2.0.0",
            "labels": LABELS,
            "source_name": "a microphone",
            "source": {"kind": "device"},
            "channels": 4,
            "sample_rate_hz": 16000,
            "window_s": 5.0,
            "hop_s": 1.0,
            "started": STARTED,
            **fields,
        }
    )


def decision(
    t_s: float, state: str = "ok", channels: tuple[str, ...] = ("ok",) * 4, cooking: float = 0.9
) -> Decision:
    posterior = {"cooking": cooking, "absence": 1.0 - cooking, "watching_tv": 0.0} if state == "ok" else {}
    top = max(posterior, key=lambda label: posterior[label]) if posterior else None
    return Decision(t_s, top, posterior, state, channels, 1.0)  # type: ignore[arg-type]
