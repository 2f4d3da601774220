"""Network tables small enough to train in a test."""

from __future__ import annotations

from typing import Any

CRNN: dict[str, Any] = {
    "type": "crnn",
    "filters": [3, 4],
    "kernels": [5, 3],
    "pools": [[2, 2], [4, 2]],
    "dropout": 0.1,
    "gru_size": 5,
}
CNN: dict[str, Any] = {
    "type": "cnn",
    "filters": [4, 6],
    "kernels": [3, 3],
    "pools": [[2, 2], [1, 1]],
    "dropout": 0.1,
}
