"""A graph of ONNX as something to put quantisers into."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from asc_edge_train.exporting.integers import Affine
from asc_edge_train.exporting.sessions import onnx_session

__all__ = ["Graph"]


class Graph:
    """A model that is being changed; nodes stay in an order in which they can be computed."""

    def __init__(self, data: bytes) -> None:
        self.model = onnx.load_from_string(data)
        self._proto = self.model.graph
        self._constants = {value.name: numpy_helper.to_array(value) for value in self._proto.initializer}
        for node in self._proto.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                self._constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.nodes: list[Any] = list(self._proto.node)
        self._in_front: dict[int, list[Any]] = {}
        self._behind: dict[int, list[Any]] = {}
        self._added: dict[str, Any] = {}

    @property
    def outputs(self) -> set[str]:
        return {value.name for value in self._proto.output}

    def constant(self, name: str) -> np.ndarray | None:
        """A weight, also one that the graph puts together from others; None for what depends on the input."""
        if name not in self._constants and name and self._is_fixed(name):
            self._constants[name] = self._computed(name)
        return self._constants.get(name)

    def consumers(self, name: str) -> list[Any]:
        return [node for node in self.nodes if name in node.input]

    def producer(self, name: str) -> Any | None:
        return next((node for node in self.nodes if name in node.output), None)

    def dequantised(self, node: Any, place: int, codes: np.ndarray, scale: np.ndarray, axis: int) -> None:
        """Replace a weight by codes and a ``DequantizeLinear`` in front of the node that takes it."""
        name = node.input[place]
        if f"{name}_codes" not in self._added:
            zeros = np.zeros(scale.shape, dtype=codes.dtype)
            inputs = [
                self._add(f"{name}_codes", codes),
                self._add(f"{name}_scale", scale.astype(np.float32)),
                self._add(f"{name}_zero", zeros),
            ]
            self._put_in_front(
                node, helper.make_node("DequantizeLinear", inputs, [f"{name}_restored"], axis=axis)
            )
        node.input[place] = f"{name}_restored"

    def reshaped(self, node: Any, place: int, shape: tuple[int, ...]) -> None:
        """Give what a node takes another shape."""
        name = node.input[place]
        shaped = self._add(f"{name}_shape", np.array(shape, dtype=np.int64))
        self._put_in_front(node, helper.make_node("Reshape", [name, shaped], [f"{name}_shaped"]))
        node.input[place] = f"{name}_shaped"

    def rounded(self, name: str, codes: Affine) -> None:
        """Let everything that takes a computed value take it rounded to 8 bits."""
        parameters = [self._add(f"{name}_scale", codes.scale), self._add(f"{name}_zero", codes.zero_point)]
        consumers = self.consumers(name)
        pair = [
            helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_codes"]),
            helper.make_node("DequantizeLinear", [f"{name}_codes", *parameters], [f"{name}_rounded"]),
        ]
        producer = self.producer(name)
        if producer is None:
            self._in_front.setdefault(id(self.nodes[0]), [])[:0] = pair
        else:
            self._behind.setdefault(id(producer), []).extend(pair)
        for node in consumers:
            for place, taken in enumerate(node.input):
                if taken == name:
                    node.input[place] = f"{name}_rounded"

    def tapped(self, names: list[str]) -> bytes:
        """The model as it was read, with some computed values as outputs of their own, in this order."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        return model.SerializeToString()

    def serialised(self) -> bytes:
        """The changed model, without what nothing takes any more."""
        nodes = []
        for node in self.nodes:
            nodes += [*self._in_front.get(id(node), []), node, *self._behind.get(id(node), [])]
        taken = set(self.outputs)
        used = []
        for node in reversed(nodes):
            if taken & set(node.output):
                used.append(node)
                taken.update(node.input)
        kept = [value for value in self._proto.initializer if value.name in taken]
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.node[:]
        del model.graph.initializer[:]
        model.graph.node.extend(reversed(used))
        model.graph.initializer.extend([*kept, *self._added.values()])
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)

    def _is_fixed(self, name: str) -> bool:
        if name in self._constants:
            return True
        producer = self.producer(name)
        return producer is not None and all(self._is_fixed(taken) for taken in producer.input if taken)

    def _computed(self, name: str) -> np.ndarray:
        """Value of something that depends on weights alone."""
        needed, nodes = {name}, []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                nodes.append(node)
                needed.update(node.input)
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for part in (model.graph.node, model.graph.input, model.graph.output):
            del part[:]
        model.graph.node.extend(reversed(nodes))
        model.graph.output.append(onnx.ValueInfoProto(name=name))
        value: np.ndarray = onnx_session(model.SerializeToString()).run(None, {})[0]
        return value

    def _add(self, name: str, value: Any) -> str:
        self._added[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _put_in_front(self, node: Any, new: Any) -> None:
        self._in_front.setdefault(id(node), []).append(new)
