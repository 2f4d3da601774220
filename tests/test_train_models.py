"""Networks: shapes, cost, and the fields that the paper leaves open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.export import export_onnx
from asc_edge_train.models import build_network, multiply_accumulates, parameter_count
from asc_edge_train.models.blocks import BlockDropout
from asc_edge_train.recipe import load_recipe
from train_networks import CNN, CRNN

# The paper's networks, completed as its specification recommends.
PAPER: dict[str, Any] = {
    "type": "crnn",
    "dropout": 0.3,
    "gru_size": 256,
    "gru_layers": 2,
    "gru_answer": "last",
    "initialiser": "keras",
    "batch_norm": "keras",
}
THREE_BLOCKS = {
    **PAPER,
    "filters": [64, 128, 256],
    "kernels": [5, 4, 3],
    "pools": [[2, 2], [2, 2], [32, 2]],
}
FOUR_BLOCKS = {
    **PAPER,
    "filters": [64, 128, 256, 256],
    "kernels": [3, 3, 3, 3],
    "pools": [[2, 2], [2, 2], [2, 2], [16, 2]],
}
ESC50 = {**FOUR_BLOCKS, "pools": [[2, 2], [2, 2], [2, 1], [16, 1]]}


def block_shapes(network: nn.Module, frames: int) -> list[tuple[int, ...]]:
    """(mels, frames, filters) after every block, and what the GRU is fed and answers."""
    shapes: list[tuple[int, ...]] = []

    def keep(_module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, tuple):
            shapes.extend([tuple(inputs[0].shape[1:]), tuple(output[0].shape[1:])])
        else:
            _, filters, mels, steps = output.shape
            shapes.append((mels, steps, filters))

    watched = [
        m for m in network.modules() if isinstance(m, (nn.Dropout, nn.GRU)) and m is not network.dropout
    ]
    handles = [module.register_forward_hook(keep) for module in watched]
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 1, 128, frames))
    for handle in handles:
        handle.remove()
    return shapes


# ---- the paper's networks


# Catches: pools of (frames, mels) instead of (mels, frames), pools that round up, an even kernel that eats a
# row, one GRU instead of two; figures of the specification, sections A.2 and A.3.
@pytest.mark.parametrize(
    ("network", "frames", "shapes"),
    [
        (THREE_BLOCKS, 61, [(64, 30, 64), (32, 15, 128), (1, 7, 256), (7, 256), (7, 256)]),
        (FOUR_BLOCKS, 61, [(64, 30, 64), (32, 15, 128), (16, 7, 256), (1, 3, 256), (3, 256), (3, 256)]),
        (ESC50, 30, [(64, 15, 64), (32, 7, 128), (16, 7, 256), (1, 7, 256), (7, 256), (7, 256)]),
    ],
    ids=["task5", "dcase2017", "esc50"],
)
def test_paper_crnn_shapes(network: dict[str, Any], frames: int, shapes: list[tuple[int, ...]]) -> None:
    built = build_network(network, mels=128, classes=9)
    assert block_shapes(built, frames) == shapes
    assert [m.p for m in built.modules() if isinstance(m, nn.Dropout)] == [0.3] * (len(shapes) - 1)
    assert (built.gru.num_layers, built.gru.hidden_size, built.gru.dropout) == (2, 256, 0.3)


@pytest.mark.parametrize(
    ("network", "classes", "frames", "parameters", "macs"),
    [
        (THREE_BLOCKS, 9, 61, 1.22e6, 411e6),
        (THREE_BLOCKS, 9, 624, 1.22e6, 4.28e9),
        ({**THREE_BLOCKS, "filters": [32, 64, 128]}, 9, 61, 0.80e6, 109e6),
        ({**THREE_BLOCKS, "pools": [[1, 2], [1, 2], [32, 2]]}, 9, 61, 1.81e6, 1.09e9),
        (FOUR_BLOCKS, 50, 61, 1.76e6, 356e6),
        (FOUR_BLOCKS, 50, 30, 1.76e6, 168e6),
        # Without pooling over time in the last blocks: 7 steps instead of 1.
        (ESC50, 50, 30, 1.76e6, 211e6),
    ],
)
def test_paper_crnn_cost(
    network: dict[str, Any], classes: int, frames: int, parameters: float, macs: float
) -> None:
    built = build_network(network, mels=128, classes=classes)
    assert parameter_count(built) == pytest.approx(parameters, rel=0.005)
    assert multiply_accumulates(built, 128, frames) == pytest.approx(macs, rel=0.005)


# Catches: gates initialised one by one (Keras draws them as one matrix), biases left as torch draws them.
def test_keras_initialisation() -> None:
    torch.manual_seed(0)
    network = build_network(THREE_BLOCKS, mels=128, classes=9)
    conv = network.blocks[6]
    assert conv.weight.shape == (128, 64, 4, 4)
    limits = {
        conv.weight: np.sqrt(6 / (64 * 16 + 128 * 16)),
        network.gru.weight_ih_l1: np.sqrt(6 / (256 + 3 * 256)),
        network.classify.weight: np.sqrt(6 / (256 + 9)),
    }
    for weight, limit in limits.items():
        assert 0.98 * limit < float(weight.detach().abs().max()) <= limit
        assert float(weight.detach().std()) == pytest.approx(limit / np.sqrt(3), rel=0.05)
    recurrent = network.gru.weight_hh_l0.detach()
    torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(256), atol=1e-5, rtol=0)
    biases = [p for name, p in network.named_parameters() if "bias" in name and "blocks" not in name]
    assert len(biases) == 5
    assert not any(bias.any() for bias in biases)


# Catches: Keras's momentum handed to torch as it is: the statistics would follow the last batch.
@pytest.mark.parametrize(
    ("name", "momentum", "epsilon"), [("keras", 0.01, 1e-3), ("torch", 0.1, 1e-5), ("mixed", 0.1, 1e-3)]
)
def test_batch_norm_is_the_framework_s(name: str, momentum: float, epsilon: float) -> None:
    network = build_network({**CNN, "batch_norm": name}, mels=8, classes=2)
    norms = [module for module in network.blocks if isinstance(module, nn.BatchNorm2d)]
    assert [(norm.momentum, norm.eps) for norm in norms] == [(momentum, epsilon)] * 2


@pytest.mark.parametrize(("name", "kind"), [("elu", nn.ELU), ("relu", nn.ReLU), ("silu", nn.SiLU)])
def test_activation(name: str, kind: type[nn.Module]) -> None:
    network = build_network({**CNN, "activation": name}, mels=8, classes=2)
    assert sum(isinstance(module, kind) for module in network.blocks) == 2


def test_symmetric_input_is_part_of_the_network() -> None:
    torch.manual_seed(1)
    plain = build_network(CNN, mels=8, classes=2).eval()
    torch.manual_seed(1)
    symmetric = build_network({**CNN, "input_scaling": "symmetric"}, mels=8, classes=2).eval()
    x = torch.rand(2, 1, 8, 12)
    torch.testing.assert_close(symmetric(x), plain(2 * x - 1))


# Catches: the mean taken over time or filters, a GRU of the wrong width.
def test_collapse_by_mean() -> None:
    network = build_network({**CRNN, "pools": [[1, 2], [2, 2]], "collapse": "mean"}, mels=8, classes=3).eval()
    assert network.gru.input_size == 4
    x = torch.rand(2, 1, 8, 12)
    output, _ = network.gru(network.blocks(x).mean(dim=2).transpose(1, 2))
    torch.testing.assert_close(network.embed(x), output.mean(dim=1))


# Catches: an order that changes the answer, parameters that move in the saved weights.
@pytest.mark.parametrize("activation", ["elu", "relu"])
def test_pooling_first_answers_the_same(activation: str) -> None:
    networks = []
    for first in (False, True):
        torch.manual_seed(2)
        networks.append(
            build_network({**CRNN, "activation": activation, "pool_first": first}, mels=8, classes=3)
        )
    ours, theirs = networks
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert isinstance(theirs.blocks[2], nn.MaxPool2d)
    x = torch.randn(4, 1, 8, 12)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=0, atol=0)


# Catches: a layer that ONNX can't say, or says otherwise; the exporter compares with onnxruntime itself.
@pytest.mark.parametrize("activation", ["elu", "relu", "silu"])
def test_all_fields_can_be_exported(activation: str) -> None:
    network = build_network(
        {
            **PAPER,
            "filters": [3, 4],
            "kernels": [4, 3],
            "pools": [[2, 2], [2, 2]],
            "gru_size": 5,
            "activation": activation,
            "pool_first": activation != "silu",
            "input_scaling": "symmetric",
            "collapse": "mean",
            "conv_bias": True,
        },
        mels=8,
        classes=3,
    )
    assert export_onnx(network, "posterior", 8, 12, exporter="old")


# ---- dropout


# Catches: a mask that scales wrongly, drops whole maps, is the same every time, or doesn't follow the seed.
@pytest.mark.parametrize("p", [0.1, 0.3])
def test_block_dropout(p: float) -> None:
    dropout = BlockDropout(p)
    maps = torch.ones(8, 16, 20, 25).contiguous(memory_format=torch.channels_last).requires_grad_()
    torch.manual_seed(3)
    first, second = dropout(maps), dropout(maps)
    torch.manual_seed(3)
    again = dropout(maps)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    kept = first != 0
    assert first[kept].unique().tolist() == pytest.approx([1 / (1 - p)], rel=1e-4)
    count = kept.numel()
    assert float(kept.float().mean()) == pytest.approx(1 - p, abs=4 * np.sqrt(p * (1 - p) / count))
    # No map, row or step is luckier than chance allows.
    for dims in ((2, 3), (1, 3), (1, 2)):
        share = kept.float().mean(dim=dims)
        expected = np.sqrt(p * (1 - p) / (count / share.numel()))
        assert float(share.std()) == pytest.approx(expected, rel=0.35)
    first.sum().backward()
    assert torch.equal(maps.grad != 0, kept)
    assert first.is_contiguous(memory_format=torch.channels_last)


def test_block_dropout_rests_in_evaluation() -> None:
    maps = torch.rand(2, 3, 4, 5)
    assert BlockDropout(0.5).eval()(maps) is maps or torch.equal(BlockDropout(0.5).eval()(maps), maps)
    assert torch.equal(BlockDropout(0.0)(maps), maps)


# ---- small networks


# Catches: a frequency axis that isn't collapsed, the wrong axis fed to the GRU, bias where there is none.
def test_crnn_shapes_parameters_and_cost() -> None:
    network = build_network(CRNN, mels=8, classes=7)
    assert network(torch.zeros(2, 1, 8, 12)).shape == (2, 7)
    conv = 25 * 1 * 3 + 9 * 3 * 4
    norm = 2 * 3 + 2 * 4
    gru = 3 * (5 * 4 + 5 * 5 + 2 * 5)  # one row of 4 filters in, 5 out, two biases, three gates
    assert parameter_count(network) == conv + norm + gru + 5 * 7 + 7
    macs = 25 * 3 * 8 * 12 + 9 * 3 * 4 * 4 * 6 + 3 * (5 * 4 + 5 * 5) * 3 + 5 * 7
    assert multiply_accumulates(network, 8, 12) == macs


def test_cnn_shapes_parameters_and_cost() -> None:
    network = build_network(CNN, mels=8, classes=7)
    assert network(torch.zeros(2, 1, 8, 12)).shape == (2, 7)
    assert network.embed(torch.zeros(2, 1, 8, 12)).shape == (2, 12)
    assert parameter_count(network) == 9 * 4 + 9 * 4 * 6 + 2 * (4 + 6) + 12 * 7 + 7
    assert multiply_accumulates(network, 8, 12) == 9 * 4 * 96 + 9 * 4 * 6 * 24 + 12 * 7


# Catches: the embedding's halves swapped or pooled over the batch.
def test_cnn_embedding_is_mean_then_maximum() -> None:
    network = build_network(CNN, mels=8, classes=2).eval()
    x = torch.rand(3, 1, 8, 12)
    maps = network.blocks(x).detach().numpy()
    expected = np.concatenate([maps.mean(axis=(2, 3)), maps.max(axis=(2, 3))], axis=1)
    np.testing.assert_allclose(network.embed(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


# Catches: an even kernel (the paper's 4x4) that shrinks or shifts the map the wrong way.
def test_even_kernel_pads_one_less_before() -> None:
    network = build_network({**CNN, "kernels": [4, 4], "dropout": 0.0}, mels=8, classes=2)
    pad, conv = network.blocks[0], network.blocks[1]
    x = torch.rand(1, 1, 8, 12)
    ours = conv(pad(x))
    assert ours.shape[2:] == (8, 12)
    same = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (1, 2, 1, 2)), conv.weight)
    torch.testing.assert_close(ours, same)


# Catches: a stride that the frequency axis left for the GRU doesn't know of.
def test_strides_shrink_the_maps() -> None:
    strided = {**CRNN, "pools": [[1, 1], [3, 2]], "strides": [[2, 2], [1, 1]], "block_dropout": 0.0}
    network = build_network(strided, mels=9, classes=3)
    x = torch.zeros(2, 1, 9, 13)
    assert network.blocks(x).shape == (2, 4, 1, 3)
    assert network(x).shape == (2, 3)
    assert not any(isinstance(module, torch.nn.Dropout) for module in network.blocks)
    assert network.dropout.p == 0.1


@pytest.mark.parametrize("answer", ["mean", "last"])
@pytest.mark.parametrize("both", [False, True])
def test_crnn_answers(answer: str, both: bool) -> None:
    network = build_network({**CRNN, "gru_answer": answer, "gru_bidirectional": both, "gru_layers": 2}, 8, 3)
    network.eval()
    x = torch.rand(2, 1, 8, 24)
    with torch.no_grad():
        steps = network.blocks(x).permute(0, 3, 1, 2).flatten(2)
        output, _ = network.gru(steps)
        if answer == "mean":
            state = output.mean(1)
        else:  # forwards: last step; backwards: first step
            state = torch.cat([output[:, -1, :5], output[:, 0, 5:]], 1) if both else output[:, -1]
        torch.testing.assert_close(network(x), network.classify(state))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "rnn"},
        {"pools": [[8, 2], [4, 2]]},
        {"filters": [3]},
        {"strides": [[1, 1]]},
        {"strides": [[9, 1], [1, 1]]},
        {"colour": 1},
        {"gru_answer": "first"},
        {"collapse": "sum"},
        {"activation": "tanh"},
        {"initialiser": "zeros"},
        {"batch_norm": "none"},
        {"input_scaling": "log"},
        {"pool_first": True, "activation": "silu"},
    ],
)
def test_network_faults_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        build_network({**CRNN, **change}, mels=8, classes=2)


# Catches: a recipe that a Raspberry Pi, or the training budget, can't afford.
@pytest.mark.parametrize("name", ["home", "esc10"])
def test_shipped_recipes_stay_small(name: str) -> None:
    recipe = load_recipe(name)
    trained = [member for member in recipe.members if member.trained]
    assert trained
    for m in trained:
        network = build_network(m.network, recipe.front_ends[m.front_end].mels, 72)
        assert parameter_count(network) < 300_000
        assert multiply_accumulates(network, 64, 155) < 70e6
