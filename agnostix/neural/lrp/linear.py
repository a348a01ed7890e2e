"""Relevance through linear operations, by the rules of the composite, and batch norms. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from agnostix.neural.graph import LEAF
from agnostix.neural.lrp.composites import Place
from agnostix.neural.lrp.conservation import OFFSET, Account
from agnostix.neural.lrp.gates import note_before_copies
from agnostix.neural.lrp.mode import Note, RelevanceRules
from agnostix.neural.lrp.rules import DirectRule
from agnostix.neural.operations.composites import multiply_linear, refuse
from agnostix.neural.operations.guard import refuse_checkpoint
from agnostix.neural.operations.linear import CONVOLUTION, LinearOperation, read_linear
from agnostix.neural.operations.mode import Operation, varies
from agnostix.neural.operations.normalization import scale_and_offset
from agnostix.neural.operations.ruled import note_of, ruled

_CHANGES = {
    **dict.fromkeys(["add", "iadd", "radd"], "add"),
    **dict.fromkeys(["sub", "isub", "subtract"], "sub"),
    "rsub": "rsub",
    **dict.fromkeys(["mul", "multiply", "imul", "rmul"], "mul"),
    **dict.fromkeys(["div", "divide", "true_divide", "truediv", "idiv", "itruediv"], "div"),
}
"""What operations with a constant do, by their names."""


class LinearRules(RelevanceRules):
    """Operations on one input with a constant weight."""

    _own_place: Place | None = None  # of the steps of a recurrent layer, which is one place

    def _rule_linear(self, operation: Operation) -> Any:
        linear = read_linear(operation, self.kept)
        if linear is None and operation.name == "linear":
            with self:
                return multiply_linear(operation)
        if linear is None:
            raise refuse(
                f"{operation.name} with a weight or a bias that depends on the input",
                "Write it by torch.nn.functional.unfold and matrix products.",
            )
        weight, bias = operation.operand(1, "weight"), operation.operand(2, "bias")
        names = ("input", "weight", "bias")
        rest = {name: value for name, value in operation.kwargs.items() if name not in names}
        output = linear.run(lambda x: operation.function(x, weight, bias, *operation.args[3:], **rest))
        return self._pass_linear(linear, output)

    def _pass_linear(self, linear: LinearOperation, output: Any) -> Any:
        """The output of a linear operation with the graph of its rule."""
        refuse_checkpoint()
        linear.derived = self.derived
        place = self._own_place or self._place_of(linear)
        rule = self._composite.rule_of(place)
        if isinstance(rule, DirectRule):
            self.direct.enter(linear)
        note = Note(linear.kind, operation=linear, rule=rule, place=place)
        return self._ruled_linear(note, output)

    def _ruled_linear(self, note: Note, output: Any) -> Any:
        account = self._conservation.enter(output.shape)
        transpose = self._transpose_of(note, account)

        def pass_back(gradient: Any) -> tuple[Any]:
            passed = transpose(gradient)
            while note.passed:
                passed = passed + note.passed.pop()
            return (passed,)

        linear = note.operation
        assert linear is not None
        return self._entered(account, ruled(output, pass_back, linear.source, note=note))

    def _ruled_late(self, note: Note, x: Any, output: Any, before: Note) -> Any:
        """The same for what is merged into the operation before, with output x, whose input has changed."""
        account = self._conservation.enter(output.shape)
        transpose = self._transpose_of(note, account)

        def pass_back(gradient: Any) -> tuple[Any]:
            before.passed += [transpose(gradient), *note.passed]
            note.passed.clear()
            return (torch.zeros_like(gradient),)

        return self._entered(account, ruled(output, pass_back, x, note=note))

    def _transpose_of(self, note: Note, account: Account) -> Callable[[Any], Any]:
        """From a gradient by the output of a linear operation to one by its input, by its rule."""
        linear, rule = note.operation, note.rule
        assert linear is not None
        assert rule is not None
        hidden = None if linear.hidden is None else self._conservation.enter(linear.hidden.shape)

        def transpose(gradient: Any) -> Any:
            passed = rule.pass_back(linear, gradient, account)
            if hidden is not None:
                hidden.absorb(OFFSET, passed * linear.hidden)
            return passed

        return transpose

    def _rule_batch_norm(self, operation: Operation) -> Any:
        names = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
        x, weight, bias, mean, variance, uses_batch, _, eps = (
            operation.operand(i, name) for i, name in enumerate(names)
        )
        if uses_batch or mean is None:
            raise refuse(
                "batch_norm with statistics of the batch, in which the rows depend on each other",
                "Call eval() on the module, and give its batch norms track_running_stats=True.",
            )
        scale, offset = scale_and_offset((mean, variance), weight, bias, eps, x.ndim)
        with torch.no_grad():
            output = operation.run()
        before = note_of(x.grad_fn)
        if not isinstance(before, Note) or before.operation is None:
            return self._scaled(x, output, scale, offset)
        return self._merge(before, x, output, scale, offset)

    def _merge_constant(self, operation: Operation) -> Any:
        """A sum, product or quotient of linear outputs and numbers for each channel; None for others."""
        x, other = operation.operand(0, "input"), operation.operand(1, "other")
        name = operation.name
        if varies(other) and not varies(x):
            x, other = other, x
            name = {"mul": "mul", "multiply": "mul", "add": "add", "sub": "rsub", "rsub": "sub"}.get(name, "")
        name = _CHANGES.get(name, "")
        is_pair = varies(x) and isinstance(other, torch.Tensor) and not varies(other)
        before = note_before_copies(x) if is_pair and name else None
        if not isinstance(before, Note) or before.operation is None:
            return None
        has_options = not operation.kwargs.keys() <= {"input", "other"}
        if has_options or not _is_by_channel(other, x, before.operation):
            return None
        with torch.no_grad():
            output = operation.compute(*operation.args)
            one, none = torch.ones_like(other), torch.zeros_like(other)
            scale = {"mul": other, "div": 1 / other, "rsub": -one}.get(name, one)
            offset = {"add": other, "rsub": other, "sub": -other}.get(name, none)
        return self._merge(before, x, output, scale, offset)

    def _merge(self, before: Note, x: Any, output: Any, scale: Any, offset: Any) -> Any:
        """An output scale x + offset of an x that a linear operation gives, as one with it."""
        assert before.operation is not None
        merged = before.operation.merged(scale, offset, output)
        note = Note(before.name, operation=merged, rule=before.rule, place=before.place)
        if before.operation.can_merge:
            return self._ruled_linear(note, output)
        return self._ruled_late(note, x, output, before)

    def _scaled(self, x: Any, output: Any, scale: Any, offset: Any) -> Any:
        """An output scale x + offset, whose offset absorbs its share."""
        account = self._conservation.enter(output.shape)

        def pass_back(gradient: Any) -> tuple[Any]:
            account.absorb(OFFSET, gradient * offset)
            return (gradient * scale,)

        return self._entered(account, ruled(output, pass_back, x))

    def _place_of(self, linear: LinearOperation) -> Place:
        """Where a linear operation is in the network."""
        before = self._depth_of(linear.source)
        return Place(linear.kind, self._layer_of(), before + 1, before == 0)

    def _depth_of(self, tensor: Any) -> int:
        """Linear operations before a tensor, at most: nodes are followed back to the last ones."""
        depth, seen, stack = 0, set(), [tensor.grad_fn]
        while stack:
            node = stack.pop()
            if node is None or node in seen or node.name() == LEAF:
                continue
            seen.add(node)
            note = note_of(node)
            if isinstance(note, Note) and note.place is not None:
                depth = max(depth, note.place.depth)
            else:
                stack += [before for before, _ in node.next_functions]
        return depth


def _is_by_channel(constant: Any, x: Any, linear: LinearOperation) -> bool:
    """Whether a constant has one number for each output of a linear operation, and broadcasts to them."""
    axis = 1 - (linear.weight.ndim - x.ndim) if linear.kind == CONVOLUTION else -1
    if not linear.has_output_axis or linear.output.value.shape != x.shape:
        return False
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    n = constant.ndim
    return 0 < n <= x.ndim and list(constant.shape) == shape[x.ndim - n :]
