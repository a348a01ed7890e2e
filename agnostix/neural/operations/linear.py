"""Linear operations of one varying operand, y = a (x w) + b, and what rules need of them. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from agnostix.neural.operations.composites import refuse
from agnostix.neural.operations.derived import Derivation, DerivedWeights, negative, positive, size
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
        output_axis: int | None = None,
        multiply_transposed: Callable[[Any, Any, Any], Any] | None = None,
    ) -> None:
        self.kind = kind  # CONVOLUTION or LINEAR
        self.multiply = multiply  # of an input and a weight, x w
        self.source = source  # x with its graph
        self._version = source._version
        self.weight = weight
        self.derived = DerivedWeights()
        self._output_axis = output_axis  # of the weight, if that is known
        self._multiply_transposed = multiply_transposed  # of a gradient by x w, a weight and x
        self.bias = None if bias is None else bias.detach()  # broadcasts to y
        self.scale: Any = None  # broadcasts to y
        self.input: Kept = kept.keep(source)
        self.output: Kept
        self.bounds: Any = None  # between which the input lies, for rules that need them
        self.hidden: Any = None  # in the shape of the input: 1 where it does not depend on the network's
        self._kept = kept
        self._before: LinearOperation | None = None  # of a batch norm that is merged
        self._last_scale: Any = None
        self._is_nonnegative: bool | None = None
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
    def has_output_axis(self) -> bool:
        """Whether it is known which axis of the weight has the outputs."""
        return self._output_axis is not None

    @property
    def can_merge(self) -> bool:
        """Whether the input is still what it was, so that a later operation can be merged into this one."""
        return bool(self.source._version == self._version)

    def merged(self, scale: Any, offset: Any, output: Any) -> LinearOperation:
        """The operation followed by output = scale y + offset."""
        axis, transposed = self._output_axis, self._multiply_transposed
        twin = LinearOperation(
            self.kind, self.multiply, self.source, self.weight, None, self._kept, axis, transposed
        )
        twin.derived = self.derived
        twin.input, twin._maps = self.input, dict(self._maps)
        twin.bounds, twin.hidden = self.bounds, self.hidden
        twin._version = self._version
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
        return self.map("magnitudes", self._input_size, size)

    def transpose(self, gradient: Any) -> Any:
        """Gradient by x of lin; the one by lin is written over."""
        return self._gradient("own", gradient if self.scale is None else gradient.mul_(self.scale))

    def transpose_magnitudes(self, gradient: Any) -> Any:
        """Gradient by x of mag, with |x| as x times its sign, after mag was computed."""
        gradient = self._gradient("magnitudes", gradient)
        return gradient if self.is_nonnegative else gradient.mul_(self.input.value.sign())

    def _input_size(self) -> Any:
        return self.input.value if self.is_nonnegative else self.input.value.abs()

    @property
    def is_nonnegative(self) -> bool:
        """Whether no input is below 0."""
        if self._is_nonnegative is None:
            self._is_nonnegative = bool(self.input.value.min() >= 0)
        return self._is_nonnegative

    def split_products(self, is_positive: bool) -> Any:
        """z+ or z-, sums of products of one sign, from weights of one sign, so that nothing cancels."""
        own, other = (positive, negative) if is_positive else (negative, positive)
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

    def map(self, name: str, x: Callable[[], Any], derivation: Derivation) -> Any:
        """Another linear map of the same shape, of x and a derived weight, computed once for each name."""
        if name not in self._maps:
            leaf = x().detach().requires_grad_()
            weight = self.derive(derivation, leaf)
            with torch.enable_grad(), self._kept.saving():
                self._maps[name] = leaf, self.multiply(leaf, weight)
        return self._maps[name][1].detach()

    def transpose_map(self, name: str, gradient: Any) -> Any:
        """Gradient by the input of a map that was computed."""
        return self._gradient(name, gradient)

    def multiply_constant(self, x: Any, derivation: Derivation) -> Any:
        """Product x w of a constant x (1, ...) and a derived w."""
        with torch.no_grad():
            return self.multiply(x, self.derive(derivation, x))

    def transpose_derived(self, derivation: Derivation, gradient: Any) -> Any:
        """Gradient by x of x w for a derived w, from one by x w."""
        x = self.input.value
        weight = self.derive(derivation, x)
        if self._multiply_transposed is not None and x.ndim == weight.ndim:
            return self._multiply_transposed(gradient, weight, x)
        leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            result = self.multiply(leaf, weight)
        return torch.autograd.grad(result, leaf, gradient)[0]

    def derive(self, derivation: Derivation, x: Any) -> Any:
        """A derived weight, in the memory layout of x, of which convolutions make no copy."""
        is_image = self.kind == CONVOLUTION and x.ndim == self.weight.ndim == 4
        is_last = is_image and not x.is_contiguous()
        layout = torch.channels_last if is_last else torch.contiguous_format
        scale = None if self.scale is None else self._scale_of_weight()

        def derive() -> Any:
            own = torch.empty_like(self.weight, memory_format=layout)
            own = own.copy_(self.weight) if scale is None else torch.mul(self.weight, scale, out=own)
            return derivation(own)

        with torch.no_grad():
            if not isinstance(self.weight, torch.nn.Parameter):  # one that is made anew in every forward pass
                return derive()
            return self.derived.find((derivation, layout), self.weight, scale, derive)

    def _scale_of_weight(self) -> Any:
        """The scale, which broadcasts to y, as one that broadcasts to the weight."""
        scale, axis = self.scale, self._output_axis
        outputs = 1 - self.weight.ndim if self.kind == CONVOLUTION else -1  # the axis of y, from its end
        if axis is None or (scale.numel() > 1 and scale.numel() != scale.shape[outputs]):
            raise refuse(
                f"batch_norm over other axes than the outputs of the {self.kind} operation before it",
                "Rules that split products by their sign need these: use nn.Linear, or nn.ConvTranspose2d "
                "with groups=1, right before the batch norm, or the rule Epsilon there.",
            )
        return scale.reshape([-1 if i == axis else 1 for i in range(self.weight.ndim)])

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
    kind = CONVOLUTION if is_convolution else LINEAR
    is_transposed = operation.name.startswith("conv_transpose")
    output_axis: int | None = 0
    if is_transposed:
        output_axis = 1 if operation.operand(6, "groups", 1) == 1 else None
    transposed = _multiply_transposed(operation) if is_convolution and not is_transposed else None
    return LinearOperation(kind, multiply, x, weight, bias, kept, output_axis, transposed)


def _multiply_transposed(operation: Operation) -> Callable[[Any, Any, Any], Any] | None:
    """Gradient by x of a convolution, from one by its output, a weight and x; None if unsure."""
    stride, padding, dilation = (
        operation.operand(3 + i, name, default)
        for i, (name, default) in enumerate({"stride": 1, "padding": 0, "dilation": 1}.items())
    )
    groups = operation.operand(6, "groups", 1)
    if isinstance(padding, str):
        return None
    n_axes = operation.operand(1, "weight").ndim - 2
    stride, padding, dilation = (
        [one] * n_axes if isinstance(one, int) else list(one) * (n_axes if len(one) == 1 else 1)
        for one in (stride, padding, dilation)
    )
    tail = stride, padding, dilation, False, [0] * n_axes, groups, [True, False, False]

    def transposed(gradient: Any, weight: Any, x: Any) -> Any:
        return torch.ops.aten.convolution_backward(gradient, x, weight, None, *tail)[0]

    return transposed


def read_matrix_product(operation: Operation, kept: KeptValues) -> LinearOperation | None:
    """A product with a constant matrix; None if both factors vary."""
    first, second = read_factors(operation)
    if varies(first) and varies(second):
        return None
    rest = operation.args[2:]  # of tensordot

    def multiply(a: Any, b: Any) -> Any:
        return operation.function(a, b, *rest)

    if varies(first):
        output_axis = 1 if second.ndim == 2 and operation.name in ("matmul", "mm") else None
        return LinearOperation(LINEAR, multiply, first, second, None, kept, output_axis)
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
