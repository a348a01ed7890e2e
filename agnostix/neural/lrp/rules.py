"""Rules of layer-wise relevance propagation for linear operations, as in the papers.

With products x w of inputs and weights, z+ and z- the sums of the positive and of the negative ones, b the
bias and R the relevance of an output y, an input receives

    Epsilon      x w / (y + eps sign y) R
    ZPlus        (x w)+ / (z+ + b+) R
    AlphaBeta    alpha (x w)+ / (z+ + b+) R  -  beta (x w)- / (z- + b-) R,    alpha - beta = 1
    Gamma        (x w + gamma (x w)+) / (y + gamma (z+ + b+)) R    where y > 0; with (..)- where y < 0
    ZBox         (x w - l w+ - h w-) / (sum of these) R            for inputs from l to h
    WSquare      w^2 / (sum w^2 + b^2) R
    Flat         1 / n R                                           for n inputs

The first four are x times a gradient, R being y times the gradient that comes to it; the last three are
relevance itself, which inputs of 0 have too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agnostix.exceptions import DataError
from agnostix.neural.lrp.blocks import meet
from agnostix.neural.lrp.shares import Share, distribute
from agnostix.neural.operations.derived import negative, positive, squared, unit

if TYPE_CHECKING:
    from agnostix.neural.lrp.conservation import Account
    from agnostix.neural.operations.derived import Derivation
    from agnostix.neural.operations.linear import LinearOperation


@dataclass(frozen=True)
class Rule:
    """How relevance passes a linear operation: from a gradient of its output to one of its input."""

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

    epsilon: float = 1e-6
    relative: bool = False

    def __post_init__(self) -> None:
        _check_not_negative(self, "epsilon", self.epsilon)

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input."""
        epsilon: Any = self.epsilon
        if self.relative:
            epsilon = self.epsilon * account.root_mean_square(operation.output.value)
        if account.absorbs_bias:
            (ratio,) = distribute(account, operation, gradient, _split_whole, epsilon=epsilon)
        else:
            products = (operation.products,)
            (ratio,) = distribute(account, operation, gradient, _split_none, products, epsilon=epsilon)
        return operation.transpose(ratio)


@dataclass(frozen=True)
class ZPlus(Rule):
    """Relevance by each input's share of the positive products (Montavon et al., 2017)."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input."""
        positive = operation.split_products(True)
        (ratio,) = distribute(account, operation, gradient, _keep_positive, (positive,))
        return operation.transpose_split(True, ratio)


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
        if operation.is_nonnegative and not meet(operation.output.value, gradient):
            # As before ReLU: one set of weights, w + gamma w+, is enough.
            sums = operation.map("gamma", lambda: operation.input.value, _WeightsOfGamma(self.gamma))
            (ratio,) = distribute(account, operation, gradient, self._keep, (sums,))
            return operation.transpose_map("gamma", ratio)
        sums = operation.products, operation.magnitudes
        own, other = distribute(account, operation, gradient, self._split, sums, self._spread)
        return operation.transpose(own) + operation.transpose_magnitudes(other)

    def _keep(self, output: Any, bias: Any, sums: Any) -> list[Share]:
        return [Share(sums, self._weigh_bias(output, bias))]

    def _split(self, output: Any, bias: Any, products: Any, magnitudes: Any) -> list[Share]:
        agreeing = (self.gamma / 2) * (products + _signs(output) * magnitudes)
        return [Share(products + agreeing, self._weigh_bias(output, bias))]

    def _spread(self, output: Any, ratio: Any) -> list[Any]:
        return [(1 + self.gamma / 2) * ratio, (self.gamma / 2) * _signs(output) * ratio]

    def _weigh_bias(self, output: Any, bias: Any) -> Any:
        if bias is None:
            return None
        return bias + self.gamma * bias.clamp(min=0).where(output >= 0, bias.clamp(max=0))


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
        sums = operation.split_products(True), operation.split_products(False)
        positive, negative = distribute(account, operation, gradient, self._split, sums)
        own = operation.transpose_split(True, positive)
        return own.add_(operation.transpose_split(False, negative))

    def _split(self, _output: Any, bias: Any, positive: Any, negative: Any) -> list[Share]:
        up, down = (None, None) if bias is None else (bias.clamp(min=0), bias.clamp(max=0))
        return [Share(positive, up, self.alpha), Share(negative, down, -self.beta)]


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
        x, bounds = operation.input.value, operation.bounds
        low, high = bounds.low, bounds.high

        def at_corners() -> Any:
            return operation.multiply_constant(low, positive) + operation.multiply_constant(high, negative)

        corners = bounds.find("corners", at_corners).expand_as(operation.output.value)
        (ratio,) = distribute(account, operation, gradient, _from_corners, (operation.products, corners))
        passed = (x - low) * operation.transpose_derived(positive, ratio)
        return passed.addcmul_(x - high, operation.transpose_derived(negative, ratio))


@dataclass(frozen=True)
class WSquare(DirectRule):
    """Relevance by squared weights, for inputs without bounds (Montavon et al., 2017)."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Relevance of the input."""

        def split(_output: Any, bias: Any, sums: Any) -> list[Share]:
            return [Share(sums, None if bias is None else bias.square())]

        return _pass_constant(operation, gradient, account, split, squared)


@dataclass(frozen=True)
class Flat(DirectRule):
    """Equal relevance of all inputs of an operation (Lapuschkin et al., 2019)."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Relevance of the input."""

        def split(_output: Any, _bias: Any, sums: Any) -> list[Share]:
            return [Share(sums)]

        return _pass_constant(operation, gradient, account, split, unit)


@dataclass(frozen=True)
class Pass(Rule):
    """For a function of one number: its relevance is that of its operand, whatever its value at 0."""


def _pass_constant(
    operation: LinearOperation, gradient: Any, account: Account, split: Any, derivation: Derivation
) -> Any:
    """Relevance by shares that do not depend on the input."""

    def of_ones() -> Any:
        return operation.multiply_constant(operation.input.value[:1] * 0 + 1, derivation)

    sums = operation.bounds.find("sums", of_ones).expand_as(operation.output.value)
    (ratio,) = distribute(account, operation, gradient, split, (sums,))
    return operation.transpose_derived(derivation, ratio)


@dataclass(frozen=True)
class _WeightsOfGamma:
    """w + gamma w+."""

    gamma: float

    def __call__(self, weight: Any) -> Any:
        return weight.add_(weight.clamp(min=0), alpha=self.gamma)


def _signs(output: Any) -> Any:
    """1 for outputs from 0 up, else -1."""
    return 2 * (output >= 0).to(output) - 1


def _split_none(_output: Any, bias: Any, products: Any) -> list[Share]:
    return [Share(products, bias)]


def _split_whole(output: Any, bias: Any) -> list[Share]:
    return [Share(output, bias, whole=output)]


def _keep_positive(_output: Any, bias: Any, positive: Any) -> list[Share]:
    return [Share(positive, None if bias is None else bias.clamp(min=0))]


def _from_corners(_output: Any, _bias: Any, products: Any, corners: Any) -> list[Share]:
    return [Share(products - corners)]


def _check_not_negative(rule: Rule, name: str, value: float) -> None:
    if not value >= 0:
        raise DataError(f"The {name!r} of {type(rule).__name__} must be 0 or more, got {value!r}.")
