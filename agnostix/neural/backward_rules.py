"""Rules of guided backpropagation and deconvolution: hooks on nodes of the autograd graph. Imports torch.

With g the gradient that comes to a rectifier y = max(x, 0), what it passes on is

    gradient         g (x > 0)
    guided           max(g, 0) (x > 0)     Springenberg et al. (2015)
    deconvolution    max(g, 0)             Zeiler and Fergus (2014)

The forward pass stays as it is, and functions, operations in place and modules used twice have the same
nodes. Every other node is on a list of operations that pass gradients as they are, or is refused by its name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from agnostix.core.names import did_you_mean
from agnostix.exceptions import DataError
from agnostix.neural.gates import GateFinder
from agnostix.neural.graph import POOLING, RESHAPING, UNSEEN, describe_node, graph_nodes, key_of
from agnostix.neural.network import Network

_LINEAR = """
    add addbmm addcdiv addcmul addmm addmv addr affine_grid_generator baddbmm bmm conv_depthwise2d
    conv_depthwise3d conv_tbc convolution convolution_overrideable cudnn_affine_grid_generator
    cudnn_convolution cudnn_convolution_transpose cudnn_grid_sampler cumsum div dot fft_c2c fft_c2r
    fft_r2c grid_sampler_2d grid_sampler_3d imag lerp linear matmul mean miopen_convolution
    miopen_convolution_transpose miopen_depthwise_convolution mkldnn_convolution mkldnn_linear mm
    mps_convolution mul mv nansum neg nnpack_spatial_convolution real rsub slow_conv2d slow_conv3d
    slow_conv_dilated2d slow_conv_dilated3d slow_conv_transpose2d slow_conv_transpose3d sub sum trace
    trilinear vdot view_as_complex view_as_real
"""
_NORMALIZATION = """
    batch_norm_no_update batch_norm_with_update cudnn_batch_norm fused_dropout fused_rms_norm
    linalg_vector_norm miopen_batch_norm native_batch_norm native_batch_norm_legit
    native_batch_norm_legit_no_training native_dropout native_group_norm native_layer_norm norm pow
    reciprocal rsqrt sqrt std std_mean var var_mean weight_norm_interface
"""
_GATES = "exp glu hardsigmoid log_sigmoid log_softmax masked_softmax safe_softmax sigmoid softmax tanh"
_KERNELS = """
    cudnn_attention_forward cudnn_rnn efficient_attention_forward flash_attention_forward lstm_mps
    miopen_rnn mkldnn_rnn_layer scaled_dot_product_cudnn_attention scaled_dot_product_efficient_attention
    scaled_dot_product_flash_attention scaled_dot_product_flash_attention_for_cpu
    scaled_dot_product_fused_attention_overrideable thnn_fused_gru_cell thnn_fused_lstm_cell
"""


_PLAIN = frozenset(
    key_of(name)
    for names in (_LINEAR, _NORMALIZATION, POOLING, RESHAPING, _GATES, _KERNELS)
    for name in names.split()
)
"""Operations that pass gradients as they are, whatever the method."""
_CLAMPS = {"clamp": ("min", "max"), "clampmin": ("min", None), "hardtanh": ("min_val", "max_val")}
"""Operations that are ReLU or ReLU6 where their lower bound is 0, and what they save their bounds as."""
_SATURATING = frozenset(["clamp", "erf", "exp", "hardsigmoid", "hardtanh", "sigmoid", "tanh"])
_ELEMENTWISE = _SATURATING | {"add", "clampmin", "div", "mul", "neg", "pow", "rsub", "softplus", "sub"}
_MOST_STEPS = 24
"""Nodes that are followed back from a factor to see whether it is made of the other one."""
_ALIASES = {"prelu": "prelukernel", "rrelu": "rreluwithnoise", "selu": "elu"}
_SHOWN = {"prelukernel": "prelu", "rreluwithnoise": "rrelu"}


@dataclass(frozen=True)
class BackwardRule:
    """How gradients pass the rectifiers of a network, and what else it may run."""

    method: str  # "guided" or "deconvolution"
    rules: Mapping[str, str] = field(default_factory=dict)  # "gradient" or "rectify" by the operation's name
    owner: str = "SaliencyExplainer"

    def register(self, scores: Any, network: str) -> None:
        """Hook the graph of scores; DataError names the operations that have no rule."""
        allowed, rectifiers = self._allowed, []
        refused: dict[str, str] = {}  # why and what to do, by name
        for node in graph_nodes(scores.grad_fn):
            name, key, _ = describe_node(node.name())
            rule = _own_rule(node)
            rule = rule if rule == "rectify" else allowed.get(key, rule)
            if rule == "rectify":
                rectifiers.append(node)
            elif rule is None:
                refused[_SHOWN.get(key, name)] = _explain(key)
        if refused:
            raise self._refusal(network, refused)
        for node in rectifiers:
            self._rectify(node)

    def refuse_hidden(self, finder: GateFinder, network: str) -> None:
        """DataError for operations that the graph does not show and that are not allowed."""
        allowed = self._allowed
        names = [name for name in finder.gates if key_of(name) not in allowed]
        plain = {key for key in (*_PLAIN, *allowed) if allowed.get(key, "gradient") == "gradient"}
        on_views = [name for name in finder.in_place if key_of(name) not in plain]
        if on_views:
            raise DataError(
                f"{self.owner} with method={self.method!r} cannot see what the network {network} runs in "
                f"place on a part or view of a tensor: {', '.join(on_views)}, as in x[:, 1:].relu_(). Write "
                "the result to a new tensor, and put parts together by torch.cat or torch.stack."
            )
        if names:
            raise DataError(
                f"{self.owner} with method={self.method!r} cannot see all rectifiers of the network "
                f"{network}: numbers without a gradient, made of the input, come in by {', '.join(names)}. "
                "Write ReLU as torch.relu(x) or x.clamp(min=0), or say how gradients pass: "
                f"{_example(names)}."
            )

    def refuse_unknown(self, names: Iterable[str]) -> None:
        """DataError for rules of operations that are neither torch's own nor among the names of nodes."""
        known = {key_of(name) for name in names} | {describe_node(name)[1] for name in names}
        for name in self.rules:
            if key_of(name) == "relu":
                raise DataError(
                    f"The 'rules' parameter of {self.owner} is for operations other than ReLU, whose rule is "
                    f"method={self.method!r}. Use method='gradient' to differentiate the network as it is."
                )
            is_known = _ALIASES.get(key_of(name), key_of(name)) in known or hasattr(torch.ops.aten, name)
            if not is_known:
                raise DataError(
                    f"The 'rules' parameter of {self.owner} names {name!r}, which is no operation of torch, "
                    f"and the network does not run it.{did_you_mean(name, dir(torch.ops.aten))}"
                )

    @property
    def _allowed(self) -> dict[str, str]:
        return {_ALIASES.get(key_of(name), key_of(name)): rule for name, rule in self.rules.items()}

    def _refusal(self, network: str, refused: Mapping[str, str]) -> DataError:
        hints = " ".join(dict.fromkeys(hint for hint in refused.values() if hint))
        free = [name for name, hint in refused.items() if not hint]
        ways = "'gradient' (as they are) or 'rectify' (positive ones alone)"
        remedy = f"Say how gradients pass them, {ways}: {_example(free)}." if free else ""
        return DataError(
            f"{self.owner} with method={self.method!r} has rules for ReLU and ReLU6, and the network "
            f"{network} also runs {', '.join(refused)}. {' '.join(filter(None, (hints, remedy)))}"
        )

    def _rectify(self, node: Any) -> None:
        if self.method == "deconvolution":
            node.register_hook(_pass_positive)
        elif _own_rule(node) is None:  # its slope may be negative
            node.register_prehook(_keep_positive)
        else:
            inside = _strictly_inside(node)
            node.register_hook(_make_positive if inside is None else partial(_make_positive_inside, inside))


def _keep_positive(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if one is None else one.clamp(min=0) for one in gradients)


def _make_positive(passed: tuple[Any, ...], _: tuple[Any, ...]) -> tuple[Any, ...]:
    """max(g, 0) (x > 0) from g (x > 0), in place: it is new memory, which a copy would double."""
    return tuple(None if one is None else one.clamp_(min=0) for one in passed)


def _make_positive_inside(inside: Any, passed: tuple[Any, ...], _: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if one is None else one.clamp_(min=0).mul_(inside) for one in passed)


def _pass_positive(passed: tuple[Any, ...], gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    """The positive gradients themselves, to each operand that has one."""
    (gradient,) = gradients
    return tuple(
        torch.clamp(gradient, min=0, out=one) if one is not None and one.shape == gradient.shape else one
        for one in passed
    )


def _own_rule(node: Any) -> str | None:
    """The rule of an operation that has one whatever the user says."""
    _, key, is_own = describe_node(node.name())
    if key == "copyslices":  # of operations that `check` has seen
        return "gradient"
    if not is_own or isinstance(node, torch.autograd.function.BackwardCFunction):
        return None
    if key == "relu" or (key == "threshold" and node._saved_threshold == 0):
        return "rectify"
    if key in _CLAMPS:
        return "rectify" if _is_zero(_bound(node, _CLAMPS[key][0])) else None
    if key in ("mul", "div") and _gates_itself(node):
        return None
    if key in ("cudnnrnn", "miopenrnn") and node._saved_mode == 0:  # its units are ReLU
        return None
    return "gradient" if key in _PLAIN else None


def _bound(node: Any, name: str | None) -> Any:
    return None if name is None else getattr(node, f"_saved_{name}", None)


def _is_zero(bound: Any) -> bool:
    if isinstance(bound, torch.Tensor):
        return bound.numel() == 1 and bool(bound == 0)
    return bound is not None and bound == 0


def _strictly_inside(node: Any) -> Any:
    """Where the operand of a clamp is inside its bounds: at a bound clamp has a gradient, ReLU has none."""
    key = describe_node(node.name())[1]
    if key not in ("clamp", "clampmin"):
        return None
    try:
        # Saved tensors of a checkpoint can be unpacked once, which is not ours to do. It has set hooks.
        node._raw_saved_self.register_hooks(lambda tensor: tensor, lambda tensor: tensor)
    except RuntimeError:
        return None
    operand, highest = node._saved_self, _bound(node, _CLAMPS[key][1])
    return operand > 0 if highest is None else (operand > 0) & (operand < highest)


def _gates_itself(node: Any) -> bool:
    """Whether a product is an activation by hand, as x * sigmoid(x): a factor is made of the other."""
    edges = [edge for edge in node.next_functions if edge[0] is not None]
    if len(edges) != 2:
        return False
    (first, is_first_gate), (second, is_second_gate) = map(_elementwise_sources, edges)
    return (is_first_gate or is_second_gate) and not first.isdisjoint(second)


def _elementwise_sources(edge: Any) -> tuple[set[Any], bool]:
    """Edges from which a tensor is made element by element, itself included; whether it saturates."""
    sources: set[Any] = set()
    stack, saturates = [edge], False
    while stack and len(sources) < _MOST_STEPS:
        node, place = stack.pop()
        if node is None or (node, place) in sources:
            continue
        sources.add((node, place))
        key = describe_node(node.name())[1]
        if key in _ELEMENTWISE:
            saturates = saturates or key in _SATURATING
            stack += node.next_functions
    return sources, saturates


def _explain(key: str) -> str:
    """Why an operation can have no rule at all, and what to do; "" where the user can give one."""
    if key == "checkpointfunction":
        return "CheckpointFunction is a reentrant checkpoint: use checkpoint(..., use_reentrant=False)."
    return UNSEEN.get(key, "")


def _example(names: Iterable[str]) -> str:
    return "rules={" + ", ".join(f"{name!r}: 'gradient'" for name in names) + "}"


class RuledNetwork(Network):
    """A network whose scores are differentiated by a rule."""

    def __init__(
        self, session: Any, dtype: Any, target: str, layer: Any, rule: BackwardRule, name: str
    ) -> None:
        super().__init__(session, dtype, target, layer)
        self._rule = rule
        self._name = name
        session.run_eagerly()

    def scores(self, points: Any, X: Any) -> Any:
        """Scores (n_rows, n_outputs) of points, with their graph hooked; DataError names what has no rule."""
        with interpreted():
            scores = super().scores(points, X)
        if points.requires_grad:
            self._rule.register(scores, self._name)
        return scores

    def check(self, X: Any) -> None:
        """DataError if the network rectifies rows X (n_rows, ...) in ways that its graph does not show."""
        points = self.points(X).requires_grad_()
        with interpreted(), GateFinder(points) as finder:
            scores = super().scores(points, X)
        self._rule.refuse_hidden(finder, self._name)
        self._rule.refuse_unknown([*finder.gates, *(node.name() for node in graph_nodes(scores.grad_fn))])


def interpreted() -> AbstractContextManager[Any]:
    """Context in which parts that torch.compile has made run their own operations."""
    # Its import takes seconds, and nothing was compiled without it. Before torch 2.6 there is no context:
    # a compiled part is one node of the graph, and refused.
    stance = getattr(torch.compiler, "set_stance", None) if "torch._dynamo" in sys.modules else None
    return nullcontext() if stance is None else stance("force_eager")
