"""Where feature maps are made in a forward pass, and the head as a function of them. Imports torch.

Torch calls of a forward pass are numbered by a TorchFunctionMode. Feature maps are the result of one call:
for layer="auto" the last one with a height and a width, for a named layer the copy that a hook makes of its
output. They are therefore the same for a network of modules, of functions, or with operations in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from agnostix.core.models.torch_functional import add_hook
from agnostix.exceptions import DataError
from agnostix.neural.network import REENTRANT, not_differentiable, unused

_AFFINE = {
    "AdaptiveAvgPool2D", "Add", "Addmm", "Alias", "AsStrided", "AvgPool2D", "Bmm", "Cat", "Clone",
    "Convolution", "Copy", "Div", "Expand", "Gather", "Mean", "Mm", "Mul", "Mv", "NativeBatchNorm", "Neg",
    "Permute", "ReshapeAlias", "Select", "Slice", "Split", "Squeeze", "Stack", "Sub", "Sum", "T", "ToCopy",
    "Transpose", "UnsafeView", "Unsqueeze", "View", "BackwardHookFunction",
}  # fmt: skip
"""Operations of the graph that are affine in any one of their operands."""
_PRODUCTS = {
    "Addmm": 1,
    "Bmm": 0,
    "Convolution": 0,
    "Div": 0,
    "Mm": 0,
    "Mul": 0,
    "Mv": 0,
    "NativeBatchNorm": 0,
}
"""Those of them whose operands from this place on must not both depend on the maps."""
_INPUT = "torch::autograd::AccumulateGrad"
_HOOK = "BackwardHookFunction"
"""Of a full backward hook, around the layer that has it."""
_COPIES = {"Alias", "Clone", "Copy", "ToCopy", _HOOK, _INPUT}
"""Operations that make what they are given, in another place or type."""
_CHECKPOINT = "CheckpointFunction"
"""Of a reentrant checkpoint, which has no gradients by a tensor inside."""
_UNCOUNTED = (torch.Tensor.detach, torch.Tensor.requires_grad_)
"""Calls that hooks of layers make in some forward passes alone."""


@dataclass(frozen=True)
class MapSource:
    """The call whose result are the feature maps, as found on one row."""

    name: str  # in results and messages
    layer: str | None  # whose output they are; None where no layer gives them as they are
    use: int  # of the layer, counted from 0, whose output they are
    call: int  # number of the call among those that return a tensor of floats
    function: str  # that is called
    shape: tuple[int, ...]  # of the result for one row, without the row
    is_cut: bool  # whether scores depend on the row through the maps alone
    is_affine: bool  # whether scores are affine in the maps

    def __str__(self) -> str:
        made_by = f" ({self.layer or self.function})" if self.name == "auto" else ""
        return f"{self.name}{made_by}: {self.shape}"


@dataclass(frozen=True)
class Call:
    """A call of a forward pass."""

    function: Any
    result: Any
    number: int  # among those that return a tensor of floats
    node: Any  # of the autograd graph, as it was when the call returned


class RecordedCalls(TorchFunctionMode):
    """Keeps the calls of a forward pass that return a tensor of floats."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if _is_counted(func, args, result):
            self.calls.append(Call(func, result, len(self.calls), result.grad_fn))
        return result


class ChangedCalls(TorchFunctionMode):
    """Gives other results for calls of some numbers, by functions from the result."""

    def __init__(self, changes: Mapping[int, Callable[[Any], Any]]) -> None:
        super().__init__()
        self._changes = changes
        self._n_tensors = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not _is_counted(func, args, result):
            return result
        change = self._changes.get(self._n_tensors)
        self._n_tensors += 1
        return result if change is None else change(result)


class ReplayedCalls(TorchFunctionMode):
    """Runs the head alone: until the maps are made, calls give what they gave before, for one row."""

    def __init__(self, calls: list[Call], source: MapSource, maps: Any) -> None:
        super().__init__()
        self._calls = calls
        self._source = source
        self._maps = maps
        self._n_tensors = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        call = self._calls[self._n_tensors] if self._n_tensors <= self._source.call else None
        if call is None or func != call.function:
            result = func(*args, **(kwargs or {}))
            if call is not None and _is_counted(func, args, result):
                raise ReplayError
            return result
        self._n_tensors += 1
        if call.number == self._source.call:
            return self._maps.clone()
        result = call.result.detach()
        # What depends on the row gets as many as there are maps: the head may take the number from it.
        is_of_row = call.result.requires_grad and result.ndim > 1 and result.shape[0] == 1
        return result.expand(len(self._maps), *result.shape[1:]) if is_of_row else result


class ReplayError(Exception):
    """The forward pass makes other calls than before."""


def is_auto(layer: Any) -> bool:
    return isinstance(layer, str) and layer == "auto"


def describe_layer(layer: Any) -> str:
    return layer if isinstance(layer, str) else type(layer).__name__


def _named_map(calls: list[Call], scores: Any, layer: Any, output: Any) -> MapSource:
    """The copy of a layer's output that the hook has made."""
    # The hook clones what it has recorded, so the clone follows the call that made the recorded tensor.
    node = output.grad_fn
    copies = [
        call for call in calls
        if call.node is not None and _operation(call.node) == "Clone"
        and call.node.next_functions[0][0] is node
    ]  # fmt: skip
    name = describe_layer(layer)
    reached = set(walk(scores.grad_fn))
    if not copies or node is None or copies[-1].node not in reached:
        raise DataError(
            f"The scores do not depend on the output of layer {name!r} through torch's graph, or it does not "
            "depend on the input. Name a layer between the input and the output."
        )
    return _source(name, (name, 0), copies[-1], scores)


def _last_map(calls: list[Call], scores: Any, n_axes: int) -> MapSource:
    """The last result with a height and a width through which alone the scores depend on the row."""
    reached = set(walk(scores.grad_fn))
    made = [
        call
        for call in calls
        if call.node in reached and _is_map(call.result.shape, n_axes) and not _is_input(call.node)
    ]
    has = "a height and a width" if n_axes == 2 else "a length"
    if not made:
        raise DataError(
            f"layer='auto' finds no output with {has} above 1 in this network, only its input. Parts "
            "compiled to TorchScript do not show theirs. Use another explainer, pass the module that such "
            "a part was made from, or name a layer and pass token_grid, a function from its output to maps."
        )
    # One that is no cut may be part of an attention over the places of an earlier one.
    sources = ((_source("auto", (None, 0), call, scores), call) for call in reversed(made))
    source, call = next(((one, call) for one, call in sources if one.is_cut), (None, made[-1]))
    other = None if source is None else _other_map(call, scores, n_axes)
    if source is not None and other is None:
        return source
    if other is None:
        why = "the scores depend on the input past it, through another branch"
    else:
        shapes = [tuple(one) for one in _shapes(other) if _is_map(one, n_axes)]
        why = f"the operation {other.name()} makes an output {shapes[0]} beside or after it"
    raise DataError(
        f"layer='auto' cannot tell the last feature maps: a call of {_name(call.function)} gives {has}, "
        f"{tuple(call.result.shape[1:])}, and {why}. Name a layer: layer='name', a module, or a list of them."
    )


def _is_input(node: Any) -> bool:
    """Whether a node makes nothing but a copy of the input."""
    return all(_operation(before) in _COPIES for before in walk(node))


def _other_map(call: Call, scores: Any, n_axes: int) -> Any:
    """A node after those maps that makes others, neither copies nor tokens of them; None if there is none."""
    n_places = math.prod(call.result.shape[2:])
    later = [node for node in walk(scores.grad_fn, call.node) if node is not call.node]
    is_map = {node: any(_is_map(one, n_axes) for one in _shapes(node)) for node in later}
    for node in later:
        # A copy in another memory layout, as flatten makes one inside, has the same maps.
        if not is_map[node] or _operation(node) in _COPIES:
            continue
        # Attention has an axis of all places, and comes after a reshape to tokens.
        are_tokens = all(n_places in one for one in _shapes(node) if _is_map(one, n_axes))
        if not are_tokens or call.node in walk(node, within=is_map, stop=call.node):
            return node
    return None


def _source(name: str, made_by: tuple[str | None, int], call: Call, scores: Any) -> MapSource:
    nodes = list(walk(scores.grad_fn, call.node))
    is_cut = not any(node.name() == _INPUT for node in nodes)
    return MapSource(
        name=name,
        layer=made_by[0],
        use=made_by[1],
        call=call.number,
        function=_name(call.function),
        shape=tuple(call.result.shape[1:]),
        is_cut=is_cut,
        is_affine=is_cut and all(_is_affine(node) for node in nodes if node is not call.node),
    )


def walk(root: Any, stop: Any = None, within: Mapping[Any, bool] | None = None) -> Iterator[Any]:
    """Nodes of the autograd graph from a root down, not past a node, nor past those that are not `within`."""
    seen, stack = set(), [root]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        if node is not stop and (within is None or within.get(node, False)):
            stack += [before for before, _ in node.next_functions]


def _operation(node: Any) -> str:
    """What a node is the backward pass of, such as "Relu" for ReluBackward0."""
    name, is_backward, _ = node.name().rpartition("Backward")
    return str(name) if is_backward else str(node.name())


def _is_affine(node: Any) -> bool:
    """Whether what a node computes is affine in the one operand that depends on the maps."""
    name = _operation(node)
    first = _PRODUCTS.get(name)
    operands = [] if first is None else [before for before, _ in node.next_functions[first:]]
    if name == "Div" and len(operands) > 1 and operands[1] is not None:
        return False
    return name in _AFFINE and sum(one is not None for one in operands) <= 1


def _shapes(node: Any) -> list[Any]:
    """Shapes of what a node has computed."""
    return [one.shape for one in getattr(node, "_input_metadata", ())]


def _is_map(shape: Any, n_axes: int) -> bool:
    return len(shape) == n_axes + 2 and math.prod(shape[2:]) > 1


def _name(function: Any) -> str:
    return getattr(function, "__name__", "a call")


def _is_counted(function: Any, args: Any, result: Any) -> bool:
    """Whether a call returns a tensor of floats, and is made in all forward passes alike."""
    if function in _UNCOUNTED or not (isinstance(result, torch.Tensor) and result.is_floating_point()):
        return False
    # Around a layer with a full backward hook there are such calls where something has a gradient.
    return function is not torch.Tensor.view_as or result.shape != args[0].shape


class MapNetwork:
    """Forward passes of a network, in which feature maps are found, differentiated by, or replaced."""

    def __init__(self, session: Any, score: Any, layers: list[Any]) -> None:
        self._session = session
        self._score = score  # inputs to scores (n, n_outputs)
        self._layers = layers
        self._parts = session.layers()
        session.run_eagerly()  # a mode sees no calls of a compiled module
        self._observed = session.activations(*[layer for layer in layers if not is_auto(layer)])

    def record(self, row: Any) -> tuple[Any, list[Call]]:
        """Scores (1, n_outputs) of a row (1, ...) with the graph from the row on, and all calls."""
        inputs = self._session.tensor(row, requires_grad=True)
        with RecordedCalls() as record:
            scores = self._score(inputs)
        return scores, record.calls

    def find(self, row: Any, n_axes: int) -> tuple[list[MapSource], list[Call]]:
        """Where the maps of each layer are made, with height and width (n_axes=2) or a length; all calls."""
        recorded, uses = RecordedCalls(), dict[int, tuple[str, int]]()
        inputs = self._session.tensor(row, requires_grad=True)
        with ExitStack() as hooks, recorded:
            if any(map(is_auto, self._layers)):
                for name, part in self._parts.items():
                    if not isinstance(part, torch.jit.ScriptModule):
                        note = _UseNote(name, recorded.calls, uses)
                        hooks.callback(add_hook(part, note))
            scores = self._score(inputs)
        try:
            return self._sources(recorded.calls, uses, scores, n_axes), recorded.calls
        except DataError as error:
            if any(_operation(node) == _CHECKPOINT for node in walk(scores.grad_fn)):
                raise not_differentiable(REENTRANT) from error
            raise

    def _sources(
        self, calls: list[Call], uses: Mapping[int, tuple[str, int]], scores: Any, n_axes: int
    ) -> list[MapSource]:
        """Where the maps of each layer are made."""
        found = []
        for layer in self._layers:
            if is_auto(layer):
                source = _last_map(calls, scores, n_axes)
                name, use = uses.get(source.call, (None, 0))
                found.append(replace(source, layer=name, use=use))
            else:
                if layer not in self._observed:
                    raise DataError(unused(layer))
                found.append(_named_map(calls, scores, layer, self._observed[layer]))
        return found

    def run(self, X: Any, sources: list[MapSource]) -> tuple[Any, list[Any]]:
        """Scores (n, n_outputs) of rows X with the graph of the head alone, and the maps it begins at."""
        inputs, made, changes = self._session.tensor(X), dict[int, Any](), {}
        with ExitStack() as stack:
            for source, layer in zip(sources, self._layers, strict=True):
                start = _start_graph(source, made)
                if is_auto(layer) and source.layer is not None:  # a hook costs less than a mode
                    part = self._parts[source.layer]
                    stack.callback(add_hook(part, _AtUse(source, start)))
                elif is_auto(layer):
                    changes[source.call] = start
            if changes:
                stack.enter_context(ChangedCalls(changes))
            scores = self._score(inputs)
        for source, layer in zip(sources, self._layers, strict=True):
            if not is_auto(layer):
                made[source.call] = self._observed[layer]  # the session's hook has begun the graph
            output = made.get(source.call)
            if output is None or tuple(output.shape[1:]) != source.shape:
                raise DataError(_moved(source, output))
        return scores, [made[source.call] for source in sources]

    def run_with(self, source: MapSource, X: Any, maps: Any) -> Any:
        """Scores (n, n_outputs) of rows X with other maps, from the whole network."""
        inputs, change = self._session.tensor(X), {source.call: lambda result: substitute(result, maps)}
        with torch.no_grad(), ChangedCalls(change):
            return self._score(inputs)

    def run_head(self, source: MapSource, calls: list[Call], row: Any, maps: Any) -> Any:
        """Scores (n, n_outputs) of maps (n, ...), from the head alone; calls are those of any one row."""
        inputs = self._session.tensor(row)
        with torch.no_grad(), ReplayedCalls(calls, source, maps):
            return self._score(inputs)


def _start_graph(source: MapSource, made: dict[int, Any]) -> Callable[[Any], Any]:
    """Change of a result to one whose graph begins there, with an entry in `made`."""

    def start(result: Any) -> Any:
        if tuple(result.shape[1:]) != source.shape:
            raise DataError(_moved(source, result))
        if result.requires_grad:  # made of the maps of an earlier layer
            made[source.call] = result
            return result.clone()
        leaf = made[source.call] = result.detach().clone().requires_grad_()
        return substitute(result, leaf)

    return start


class _UseNote:
    """Forward hook that notes which call had made the layer's output, and how often it had been used."""

    def __init__(self, name: str, calls: list[Call], uses: dict[int, tuple[str, int]]) -> None:
        self._name, self._calls, self._uses, self._n_uses = name, calls, uses, 0

    def __call__(self, _layer: Any, _inputs: Any, output: Any) -> None:
        # By the latest call, not by the tensor alone: relu_ may later change a batch norm's output.
        if self._calls and self._calls[-1].result is output:
            self._uses.setdefault(self._calls[-1].number, (self._name, self._n_uses))
        self._n_uses += 1


class _AtUse:
    """Forward hook that changes the output of one use of a layer."""

    def __init__(self, source: MapSource, change: Callable[[Any], Any]) -> None:
        self._left, self._change = source.use, change

    def __call__(self, _layer: Any, _inputs: Any, output: Any) -> Any:
        self._left -= 1
        return self._change(output) if self._left == -1 else None


def substitute(result: Any, other: Any) -> Any:
    """The result of a call with other values: in place, since a network may ignore what relu_ returns."""
    try:
        return result.copy_(other)
    except RuntimeError:  # an expanded tensor, which has one place for several values
        return other.clone()


def _moved(source: MapSource, result: Any) -> str:
    got = "did not come" if result is None else f"gave {tuple(result.shape[1:])}"
    return (
        f"The forward pass is another one than for the rows of fit: call {source.call}, {source.function} "
        f"with {source.shape}, {got}. Explain rows for which the network does the same as for those of fit."
    )
