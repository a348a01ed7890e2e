"""Rules of layer-wise relevance propagation for linear operations, as in the papers.

With products x w of inputs and weights, z+ and z- the sums of the positive and of the negative ones, b the
bias and R the relevance of an output y, an input receives

    Epsilon      x w / (y + eps sign y) R
    ZPlus        (x w)+ / (z+ + b+) R
    AlphaBeta    alpha (x w)+ / (z+ + b+) R  -  beta (x w)- / (z- + b-) R,    alpha - beta = 1
    Gamma        (x w + gamma (x w)+) / (y + gamma (z+ + b+)) R    where y > 0; with (..)- where y < 0
    ZBox         (x w - l w+ - h w-) / (sum of these) R            for inputs from l to h
    WSquare      w^2 / (sum w^2 + b^2) R
    Flat         1 / (n + 1) R                                     for n inputs and a bias

The first four are x times a gradient, R being y times the gradient that comes to it; the last three are
relevance itself, which inputs of 0 have too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from agnostix.exceptions import DataError
from agnostix.neural.lrp.conservation import BIAS, EPSILON

if TYPE_CHECKING:
    from agnostix.neural.lrp.conservation import Account
    from agnostix.neural.operations.linear import LinearOperation

STABILIZER = 1e-9
"""Of denominators that have no epsilon of their own."""


@dataclass(frozen=True)
class Rule:
    """How relevance passes a linear operation: from a gradient of its output to one of its input."""

    splits_products: ClassVar[bool] = True
    """Whether the signs of products count, so that a batch norm must be merged into the operation first."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input, of which the input times it is its relevance."""
        raise NotImplementedError(f"{type(self).__name__} does not define pass_back.")


@dataclass(frozen=True)
class DirectRule(Rule):
    """A rule for operations on the network's own input: what it passes back is the relevance itself."""


@dataclass(frozen=True)
class Epsilon(Rule):
    """Relevance by each input's share of the output (Bach et al., 2015); with 0, LRP-0.

    Parameters
    ----------
    epsilon : float, default=1e-6
        Added to the size of outputs, which absorbs relevance of small ones.
    relative : bool, default=False
        Whether epsilon counts in root mean squares of the row's outputs of the
        operation, instead of the units of each output.
    """

    splits_products: ClassVar[bool] = False
    epsilon: float = 1e-6
    relative: bool = False

    def __post_init__(self) -> None:
        _check_not_negative(self, "epsilon", self.epsilon)

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input."""
        output = operation.output.value
        epsilon = self.epsilon * account.root_mean_square(output) if self.relative else self.epsilon
        share = output if account.absorbs_bias else operation.products
        ratio = distribute(output * gradient, share, operation.bias, account, epsilon)
        account.note_size(output * gradient)
        return operation.transpose(ratio)


@dataclass(frozen=True)
class ZPlus(Rule):
    """Relevance by each input's share of the positive products (Montavon et al., 2017)."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input."""
        relevance = operation.output.value * gradient
        account.note_size(relevance)
        bias = None if operation.bias is None else operation.bias.clamp(min=0)
        if operation.is_nonnegative:
            positive = operation.map("plus", lambda: operation.input.value, operation.positive_weight)
            ratio = distribute(relevance, _with(positive, bias, account), bias, account)
            return operation.transpose_map("plus", ratio)
        positive = _half(operation.products + operation.magnitudes)
        ratio = distribute(relevance, _with(positive, bias, account), bias, account) / 2
        return operation.transpose(ratio) + operation.transpose_magnitudes(ratio)


@dataclass(frozen=True)
class Gamma(Rule):
    """Relevance by shares in which products that agree with the output count 1 + gamma times.

    For outputs above 0 these are the positive products (Montavon et al., 2019), below 0 the negative ones.

    Parameters
    ----------
    gamma : float, default=0.25
        0 is LRP-0, and infinity the rule of positive products.
    """

    gamma: float = 0.25

    def __post_init__(self) -> None:
        _check_not_negative(self, "gamma", self.gamma)

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input."""
        output = operation.output.value
        relevance = output * gradient
        account.note_size(relevance)
        is_up = output >= 0
        bias = operation.bias
        if bias is not None:
            bias = bias + self.gamma * bias.clamp(min=0).where(is_up, bias.clamp(max=0))
        if operation.is_nonnegative and not ((relevance != 0) & ~is_up).any():
            numerator = operation.map("gamma", lambda: operation.input.value, self._weight_of(operation))
            ratio = distribute(relevance, _with(numerator, bias, account), bias, account)
            return operation.transpose_map("gamma", ratio)
        own, other = 1 + self.gamma / 2, self.gamma / 2 * (2 * is_up.to(output) - 1)
        numerator = own * operation.products + other * operation.magnitudes
        ratio = distribute(relevance, _with(numerator, bias, account), bias, account)
        return operation.transpose(own * ratio) + operation.transpose_magnitudes(other * ratio)

    def _weight_of(self, operation: LinearOperation) -> Any:
        def weigh() -> Any:
            positive = operation.positive_weight()
            return positive.mul_(self.gamma).add_(operation.scaled_weight)

        return weigh


@dataclass(frozen=True)
class AlphaBeta(Rule):
    """Relevance by shares of the positive products, less shares of the negative ones (Bach et al., 2015).

    Parameters
    ----------
    alpha, beta : float, default=2.0, 1.0
        What the two count; alpha - beta is 1.
    """

    alpha: float = 2.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_not_negative(self, "beta", self.beta)
        if abs(self.alpha - self.beta - 1.0) > 1e-9:
            raise DataError(
                f"AlphaBeta needs alpha - beta = 1, so that relevance is kept, got alpha={self.alpha:g} and "
                f"beta={self.beta:g}. Use AlphaBeta({self.beta + 1:g}, {self.beta:g})."
            )

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input."""
        relevance = operation.output.value * gradient
        account.note_size(relevance)
        products, magnitudes, bias = operation.products, operation.magnitudes, operation.bias
        up, down = (None, None) if bias is None else (bias.clamp(min=0), bias.clamp(max=0))
        positive = distribute(
            self.alpha * relevance, _with(_half(products + magnitudes), up, account), up, account
        )
        negative = distribute(
            -self.beta * relevance, _with(_half(products - magnitudes), down, account), down, account
        )
        own = operation.transpose(_half(positive + negative))
        return own + operation.transpose_magnitudes(_half(positive - negative))


@dataclass(frozen=True)
class ZBox(DirectRule):
    """Relevance of inputs that lie in a box, by how far they are from its corners (Montavon et al., 2017).

    Parameters
    ----------
    low, high : float or array, default=None
        The least and the largest value an input can have, in the units of X: a
        number, one number a channel or column, or a row. None: 0 and 255 for images of
        bytes, 0 and 1 for others, for tables the range of each column in `fit`.
    """

    low: Any = None
    high: Any = None

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Relevance of the input."""
        relevance = operation.output.value * gradient
        account.note_size(relevance)
        low, high = operation.bounds
        lowest = operation.map("low", lambda: low, operation.positive_weight)
        highest = operation.map("high", lambda: high, operation.negative_weight)
        ratio = distribute(relevance, operation.products - lowest - highest, None, account)
        whole = operation.transpose(ratio) * operation.input.value
        return (
            whole
            - low * operation.transpose_like("low", ratio)
            - high * operation.transpose_like("high", ratio)
        )


@dataclass(frozen=True)
class WSquare(DirectRule):
    """Relevance by squared weights, for inputs without bounds (Montavon et al., 2017)."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Relevance of the input."""
        bias = None if operation.bias is None else operation.bias.square()
        return _pass_constant("square", operation, gradient, account, bias, operation.squared_weight)


@dataclass(frozen=True)
class Flat(DirectRule):
    """Equal relevance of all inputs of an operation (Lapuschkin et al., 2019)."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Relevance of the input."""
        bias = None if operation.bias is None else operation.bias.new_ones(())
        return _pass_constant("flat", operation, gradient, account, bias, operation.unit_weight)


@dataclass(frozen=True)
class Pass(Rule):
    """For a function of one number: its relevance is that of its operand, whatever its value at 0."""


def stabilized(share: Any, epsilon: Any) -> Any:
    """A denominator that stays away from 0."""
    return share + epsilon * (2 * (share >= 0).to(share) - 1)


def distribute(
    relevance: Any, denominator: Any, bias: Any, account: Account, epsilon: Any = STABILIZER
) -> Any:
    """Relevance over its denominator; what the bias and the stabilizer absorb is counted."""
    stable = stabilized(denominator, epsilon)
    ratio = relevance / stable
    account.absorb(EPSILON, ratio * (stable - denominator))
    if bias is not None and account.absorbs_bias:
        account.absorb(BIAS, ratio * bias)
    return ratio


def _pass_constant(
    name: str, operation: LinearOperation, gradient: Any, account: Account, bias: Any, weight: Any
) -> Any:
    """Relevance by shares that do not depend on the input."""
    relevance = operation.output.value * gradient
    account.note_size(relevance)
    shares = operation.map(name, lambda: operation.input.value[:1] * 0 + 1, weight)
    ratio = distribute(relevance, _with(shares, bias, account), bias, account)
    return operation.transpose_like(name, ratio)


def _with(share: Any, bias: Any, account: Account) -> Any:
    """A denominator with the share of the bias, if it keeps one."""
    return share if bias is None or not account.absorbs_bias else share + bias


def _half(tensor: Any) -> Any:
    return tensor / 2


def _check_not_negative(rule: Rule, name: str, value: float) -> None:
    if not value >= 0:
        raise DataError(f"The {name!r} of {type(rule).__name__} must be 0 or more, got {value!r}.")
