"""What a training run is made of: schedules, optimisers, weight averages, precision."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.arithmetic import Precision, deterministic, pick_device, pick_precision
from asc_edge_train.fit_state import FitState, WeightAverage, build_optimiser
from asc_edge_train.models import build_network
from asc_edge_train.schedule import decayed_rate, learning_rate
from asc_edge_train.training_config import TrainingConfig
from train_networks import CNN, CRNN

CONFIG = TrainingConfig(epochs=10, samples_per_epoch=32, learning_rate=0.01)
CPU = pick_precision("none", torch.device("cpu"))


def scheduled(make: Any, updates: int) -> list[float]:
    """Rates that one of torch's own schedulers gives."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = make(optimiser)
    rates = []
    for _ in range(updates):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


# ---- schedules


# Catches: decay per epoch instead of per update. The figures are the paper's set-up: 859 updates an epoch.
@pytest.mark.parametrize(("epochs", "rate"), [(0, 0.01), (1, 0.0037), (5, 0.0010), (30, 0.00019)])
def test_keras_time_decay(epochs: int, rate: float) -> None:
    assert decayed_rate(0.01, 0.002, 859 * epochs) == pytest.approx(rate, rel=0.05)


def test_annealing_ends_at_nothing() -> None:
    config = replace(CONFIG, lr_decay=0.0, anneal_epochs=4)
    rates = [learning_rate(config, k, 100) for k in range(100)]
    assert rates[:60] == [0.01] * 60
    np.testing.assert_allclose(np.diff(rates[60:]), -0.01 / 40)
    assert rates[-1] == pytest.approx(0.01 / 40)
    assert learning_rate(replace(config, anneal_epochs=0), 99, 100) == 0.01


# Catches: a whole cosine for half of one, a cycle that peaks or ends elsewhere than torch's.
def test_schedules_are_torchs() -> None:
    cosine = [learning_rate(replace(CONFIG, schedule="cosine"), k, 100) for k in range(100)]
    oracle = scheduled(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=100), 100)
    np.testing.assert_allclose(cosine, oracle, rtol=1e-6)
    for warmup, share in ((0.0, 0.3), (2.0, 0.2)):
        config = replace(CONFIG, schedule="one_cycle", warmup_epochs=warmup)
        cycle = [learning_rate(config, k, 100) for k in range(100)]
        oracle = scheduled(
            lambda o, share=share: torch.optim.lr_scheduler.OneCycleLR(
                o, max_lr=0.01, total_steps=101, pct_start=share, cycle_momentum=False
            ),
            100,
        )
        # torch wants one step more than there are updates here, which moves the peak by less than a step.
        np.testing.assert_allclose(cycle, oracle, atol=3e-4)
        assert cycle[0] == pytest.approx(0.01 / 25)
        assert max(cycle) == pytest.approx(0.01)
        assert cycle[-1] == pytest.approx(0.01 / 25 / 1e4)


# Catches: a rise that starts at nothing (an update without effect), or goes beyond the rate.
@pytest.mark.parametrize("schedule", ["time_decay", "cosine"])
def test_warm_up_rises_in_a_line(schedule: str) -> None:
    config = replace(CONFIG, schedule=schedule, warmup_epochs=1.5, lr_decay=0.0)
    rates = [learning_rate(config, k, 100) for k in range(100)]
    np.testing.assert_allclose(rates[:15], 0.01 * np.arange(1, 16) / 15)
    assert max(rates) == pytest.approx(0.01)
    if schedule == "cosine":
        falling = scheduled(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=85), 85)
        np.testing.assert_allclose(rates[15:], falling, rtol=1e-6)


# Catches: schedules that divide by nothing in runs of one update.
@pytest.mark.parametrize("schedule", ["time_decay", "cosine", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 1.0, 5.0])
def test_schedules_of_one_update(schedule: str, warmup: float) -> None:
    config = replace(CONFIG, schedule=schedule, warmup_epochs=warmup, epochs=1)
    assert 0.0 <= learning_rate(config, 0, 1) <= 0.01


# ---- optimisers


# Catches: decay of biases and batch norm, decay that isn't handed on.
def test_adamw_decays_kernels_alone() -> None:
    network = build_network(CRNN, mels=8, classes=3)
    before = copy.deepcopy(network.state_dict())
    config = replace(CONFIG, optimiser="adamw", weight_decay=0.5, learning_rate=0.1)
    optimiser = build_optimiser(network, config)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for name, parameter in network.named_parameters():
        kept = 1 - 0.1 * 0.5 if parameter.ndim > 1 else 1.0
        torch.testing.assert_close(parameter.detach(), kept * before[name])


@pytest.mark.parametrize("limit", [0.0, 0.5])
@pytest.mark.parametrize("scaled", [False, True])
def test_gradients_are_clipped(limit: float, scaled: bool) -> None:
    network = build_network(CNN, mels=8, classes=3)
    state = FitState(network, CONFIG, Precision("cpu", None, scaled=scaled))
    loss = 100.0 * nn.functional.cross_entropy(network(torch.rand(4, 1, 8, 12)), torch.tensor([0, 1, 2, 0]))
    state.step(loss, limit)
    grads = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    norm = float(torch.cat(grads).norm())
    if limit:
        assert norm == pytest.approx(limit, rel=1e-4)
    else:
        assert norm > 1.0


# ---- weight averages


# Catches: batch-norm statistics left out, the newest weights given the average's share, no start-up.
def test_weight_average_by_hand() -> None:
    # 0.4: some updates in the start-up, some after it.
    network = build_network(CNN, mels=8, classes=3).train()
    average = WeightAverage(network, 0.4)
    expected = {name: value.double() for name, value in network.state_dict().items()}
    for update in range(1, 9):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
            network(torch.rand(4, 1, 8, 12))
        average.update(network)
        decay = min(0.4, (1 + update) / (10 + update))
        for name, value in network.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
    for name, value in average.network.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)
        else:
            assert value == 8
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


# ---- checkpoints


# Catches: a part of the state that isn't written, or is read into another one.
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_checkpoint_holds_everything(tmp_path: Path, ema_decay: float) -> None:
    config = replace(CONFIG, ema_decay=ema_decay)
    precision = Precision("cpu", None, scaled=True)

    def update(state: FitState) -> None:
        state.network.train()
        loss = (
            state.network(torch.rand(4, 1, 8, 12, generator=torch.Generator().manual_seed(1))).square().sum()
        )
        state.step(loss, 0.0)

    state = FitState(build_network({**CNN, "dropout": 0.0}, mels=8, classes=3), config, precision)
    for _ in range(3):
        update(state)
    state.history = [{"epoch": 1, "loss": 0.5, "validation_loss": None}]
    state.save(tmp_path / "c")
    other = FitState(build_network({**CNN, "dropout": 0.0}, mels=8, classes=3), config, precision)
    other.resume(tmp_path / "c")
    assert other.history == state.history
    assert other.scaler.state_dict() == state.scaler.state_dict()
    for one in (state, other):
        update(one)
    for ours, theirs in ((other.network, state.network), (other.answering, state.answering)):
        for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            assert torch.equal(a, b)
    assert (state.answering is state.network) == (ema_decay == 0.0)


# ---- devices and precision


@pytest.mark.parametrize(
    ("there", "asked", "got"),
    [
        (False, "auto", "cpu"),
        (False, "cpu", "cpu"),
        (True, "auto", "cuda"),
        (True, "cpu", "cpu"),
        (True, "cuda", "cuda"),
    ],
)
def test_devices(monkeypatch: pytest.MonkeyPatch, there: bool, asked: str, got: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert pick_device(asked).type == got


def test_cuda_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match='"auto" or "cpu"'):
        pick_device("cuda")


# Catches: float16 without a scaled loss, or a scaler where numbers have range enough.
@pytest.mark.parametrize(
    ("autocast", "device", "dtype", "scaled"),
    [
        ("none", "cpu", None, False),
        ("bfloat16", "cpu", torch.bfloat16, False),
        ("float16", "cpu", None, False),
        ("none", "cuda", None, False),
        ("bfloat16", "cuda", torch.bfloat16, False),
        ("float16", "cuda", torch.float16, True),
    ],
)
def test_precision(autocast: str, device: str, dtype: torch.dtype | None, scaled: bool) -> None:
    assert pick_precision(autocast, torch.device(device)) == Precision(device, dtype, scaled)


def test_autocast_computes_in_what_was_asked_for() -> None:
    layer, x = nn.Linear(3, 3), torch.rand(2, 3)
    for name, dtype in (("none", torch.float32), ("bfloat16", torch.bfloat16)):
        with pick_precision(name, torch.device("cpu")).autocast():
            assert layer(x).dtype == dtype
    assert not CPU.scaler().is_enabled()


# Catches: a setting of the whole process that stays behind.
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_determinism_is_put_back(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.are_deterministic_algorithms_enabled()
    with contextlib.suppress(KeyError), deterministic(torch.device(device)):
        assert torch.are_deterministic_algorithms_enabled() == (device == "cuda")
        raise KeyError  # as an interruption would
    assert torch.are_deterministic_algorithms_enabled() == before
    assert torch.utils.deterministic.fill_uninitialized_memory
