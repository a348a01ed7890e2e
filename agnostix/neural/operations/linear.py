"""Linear operations of one varying operand, y = a (x w) + b, and what rules need of them. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from agnostix.neural.operations.kept import Kept, KeptValues
from agnostix.neural.operations.mode import Operation, varies

CONVOLUTION, LINEAR = "convolution", "linear"


class LinearOperation:
    """y = a (x w) + b: of an input x and a weight w; a is the scale of a batch norm merged into it, or 1.

    Rules count products x w by their sign: lin = a (x w) are sums of all, mag = |a| (|x| |w|) of their sizes,
    z+ and z- of the positive and of the negative ones, for inputs of either sign.
    """

    def __init__(
        self,
        kind: str,
        multiply: Callable[[Any, Any], Any],
        source: Any,
        weight: Any,
        bias: Any,
        kept: KeptValues,
    ) -> None:
        self.kind = kind  # CONVOLUTION or LINEAR
        self.multiply = multiply  # of an input and a weight, x w
        self.source = source  # x with its graph
        self._version = source._version
        self.weight = weight.detach()
        self.bias = None if bias is None else bias.detach()  # broadcasts to y
        self.scale: Any = None  # broadcasts to y
        self.outputs = (
            ""  # where the weight has them: "first", "last", in "groups" of a transposed convolution
        )
        self.n_groups = 1
        self.input: Kept = kept.keep(source)
        self.output: Kept
        self.bounds: Any = None  # tensors (1, ...) between which the input lies, for rules that need them
        self.hidden: Any = None  # in the shape of the input: 1 where it does not depend on the network's
        self._kept = kept
        self._before: LinearOperation | None = None  # of a batch norm that is merged
        self._last_scale: Any = None
        self._is_nonnegative: bool | None = None
        self._weights: dict[str, Any] = {}  # of maps
        self._maps: dict[str, tuple[Any, Any]] = {}  # leaf and result of linear maps of the input

    def run(self, compute: Callable[[Any], Any]) -> Any:
        """y, by what torch computes for x, and keep the map for its transpose."""
        leaf = self.source.detach().requires_grad_()
        with torch.enable_grad(), self._kept.saving():
            result = compute(leaf)
        self._maps["own"] = leaf, result
        output = result.detach()
        self.output = self._kept.keep(output)
        return output

    @property
    def can_merge(self) -> bool:
        """Whether the input is still what it was, so that a later operation can be merged into this one."""
        return bool(self.source._version == self._version)

    def merged(self, scale: Any, offset: Any, output: Any) -> LinearOperation:
        """The operation followed by output = scale y + offset."""
        twin = LinearOperation(self.kind, self.multiply, self.source, self.weight, None, self._kept)
        twin.input, twin._maps = self.input, dict(self._maps)
        twin.bounds, twin.hidden = self.bounds, self.hidden
        twin._version, twin.outputs, twin.n_groups = self._version, self.outputs, self.n_groups
        twin.scale = scale if self.scale is None else self.scale * scale
        twin.bias = offset if self.bias is None else self.bias * scale + offset
        twin.output = self._kept.keep(output)
        twin._before, twin._last_scale = self, scale
        return twin

    @property
    def products(self) -> Any:
        """lin, the output without its bias: exactly 0 where all inputs are, also before a batch norm."""
        if self._before is not None:
            return self._before.products * self._last_scale
        output = self.output.value
        return output if self.bias is None else output - self.bias

    @property
    def magnitudes(self) -> Any:
        """mag, sums of the absolute products."""
        result = self._map("magnitudes", self._input_size, lambda: self.weight.abs())[1]
        return result.detach() if self.scale is None else result.detach() * self.scale.abs()

    def transpose(self, gradient: Any) -> Any:
        """Gradient by x of lin."""
        scaled = gradient if self.scale is None else gradient * self.scale
        return self._gradient("own", scaled)

    def transpose_magnitudes(self, gradient: Any) -> Any:
        """Gradient by x of mag, with |x| as x times its sign."""
        self.magnitudes  # noqa: B018  its map
        scaled = gradient if self.scale is None else gradient * self.scale.abs()
        gradient = self._gradient("magnitudes", scaled)
        return gradient if self.is_nonnegative else gradient.mul_(self.input.value.sign())

    def _input_size(self) -> Any:
        return self.input.value if self.is_nonnegative else self.input.value.abs()

    @property
    def is_nonnegative(self) -> bool:
        """Whether no input is below 0."""
        if self._is_nonnegative is None:
            self._is_nonnegative = bool(self.input.value.min() >= 0)
        return self._is_nonnegative

    @property
    def scaled_weight(self) -> Any:
        """The weight, with the scale of a batch norm."""
        return self.weight if self.scale is None else self.weight * self._by_output(self.scale)

    def split_products(self, is_positive: bool) -> Any:
        """z+ or z-, sums of products of one sign, from weights of one sign, so that nothing cancels."""
        own, other = self.positive_weight, self.negative_weight
        if not is_positive:
            own, other = other, own
        name = "plus" if is_positive else "minus"
        if self.is_nonnegative:
            return self.map(name, lambda: self.input.value, own)
        up = self.map(f"{name} up", lambda: self.input.value.clamp(min=0), own)
        return up + self.map(f"{name} down", lambda: self.input.value.clamp(max=0), other)

    def transpose_split(self, is_positive: bool, gradient: Any) -> Any:
        """Gradient by x of z+ or z-, after they were computed."""
        name = "plus" if is_positive else "minus"
        if self.is_nonnegative:
            return self._gradient(name, gradient)
        up = self._gradient(f"{name} up", gradient)
        return up.where(self.input.value > 0, self._gradient(f"{name} down", gradient))

    def positive_weight(self) -> Any:
        """w+, new memory."""
        return self.scaled_weight.clamp(min=0)

    def negative_weight(self) -> Any:
        """w-, new memory."""
        return self.scaled_weight.clamp(max=0)

    def squared_weight(self) -> Any:
        """w^2."""
        return self.scaled_weight.square()

    def unit_weight(self) -> Any:
        """1 for each weight."""
        return torch.ones_like(self.weight)

    def map(self, name: str, x: Callable[[], Any], weight: Callable[[], Any]) -> Any:
        """Another linear map of the same shape, x w for other x and w, computed once for each name."""
        return self._map(name, x, weight)[1].detach()

    def transpose_map(self, name: str, gradient: Any) -> Any:
        """Gradient by the input of a map that was computed."""
        return self._gradient(name, gradient)

    def transpose_like(self, name: str, gradient: Any) -> Any:
        """The same for a map that was computed for one row, and rows of gradients."""
        leaf, _ = self._maps[name]
        if leaf.shape == self.input.value.shape:
            return self._gradient(name, gradient)
        many = f"{name} of rows"
        weight = self._weights[name]
        self._map(many, lambda: leaf.detach().expand_as(self.input.value), lambda: weight)
        return self._gradient(many, gradient)

    def _by_output(self, scale: Any) -> Any:
        """A scale that broadcasts to outputs as one that broadcasts to weights."""
        if self.outputs == "last":
            return scale.reshape(1, -1)
        if self.outputs == "groups":
            n_inputs, n_outputs = self.weight.shape[:2]
            by_group = scale.expand(n_outputs * self.n_groups, *[1] * (self.weight.ndim - 2))
            by_group = by_group.reshape(self.n_groups, n_outputs).repeat_interleave(
                n_inputs // self.n_groups, 0
            )
            return by_group.reshape(n_inputs, n_outputs, *[1] * (self.weight.ndim - 2))
        return scale.reshape(-1, *[1] * (self.weight.ndim - 1))

    def _map(self, name: str, x: Callable[[], Any], weight: Callable[[], Any]) -> tuple[Any, Any]:
        if name not in self._maps:
            leaf = x().detach().requires_grad_()
            self._weights[name] = weight()
            with torch.enable_grad(), self._kept.saving():
                self._maps[name] = leaf, self.multiply(leaf, self._weights[name])
        return self._maps[name]

    def _gradient(self, name: str, gradient: Any) -> Any:
        leaf, result = self._maps[name]
        return torch.autograd.grad(result, leaf, gradient, retain_graph=True)[0]


def read_linear(operation: Operation, kept: KeptValues) -> LinearOperation | None:
    """A linear operation of an input, a weight and a bias; None if more than the input varies."""
    x, weight, bias = (operation.operand(i, name) for i, name in enumerate(("input", "weight", "bias")))
    if varies(weight) or varies(bias) or not varies(x):
        return None
    kwargs = {
        name: value for name, value in operation.kwargs.items() if name not in ("input", "weight", "bias")
    }
    rest = operation.args[3:]
    is_convolution = operation.name != "linear"

    def multiply(inputs: Any, weights: Any) -> Any:
        return operation.function(inputs, weights, None, *rest, **kwargs)

    if bias is not None and is_convolution:
        bias = bias.reshape(-1, *[1] * (weight.ndim - 2))
    linear = LinearOperation(CONVOLUTION if is_convolution else LINEAR, multiply, x, weight, bias, kept)
    linear.outputs = "groups" if "transpose" in operation.name else "first"
    if linear.outputs == "groups":
        linear.n_groups = operation.operand(6, "groups", 1)
    return linear


def read_matrix_product(operation: Operation, kept: KeptValues) -> LinearOperation | None:
    """A product with a constant matrix; None if both factors vary."""
    first, second = read_factors(operation)
    if varies(first) and varies(second):
        return None
    rest = operation.args[2:]  # of tensordot

    def multiply(a: Any, b: Any) -> Any:
        return operation.function(a, b, *rest)

    if varies(first):
        linear = LinearOperation(LINEAR, multiply, first, second, None, kept)
        linear.outputs = "last" if second.ndim == 2 else ""
        return linear
    return LinearOperation(LINEAR, lambda x, w: multiply(w, x), second, first, None, kept)


def read_factors(operation: Operation) -> tuple[Any, Any]:
    """Both factors of a product, whatever the second one is called."""
    first, second = operation.operand(0, "input"), operation.operand(1, "other")
    names = ("mat2", "vec2", "vec", "tensor")
    return first, next((operation.kwargs[one] for one in names if one in operation.kwargs), second)


def read_einsum(equation: str, operands: Sequence[Any], kept: KeptValues) -> LinearOperation:
    """A sum of products of two operands, one of which is constant."""
    first, second = operands
    if varies(first):
        return LinearOperation(LINEAR, lambda x, w: torch.einsum(equation, x, w), first, second, None, kept)
    return LinearOperation(LINEAR, lambda x, w: torch.einsum(equation, w, x), second, first, None, kept)
