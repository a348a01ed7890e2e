"""Rules of layer-wise relevance propagation for linear operations, as in the papers.

With products x w of inputs and weights, z+ and z- the sums of the positive and of the negative ones, b the
bias and R the relevance of an output y, an input receives

    Epsilon      x w / (y + eps sign y) R
    ZPlus        (x w)+ / (z+ + b+) R
    AlphaBeta    alpha (x w)+ / (z+ + b+) R  -  beta (x w)- / (z- + b-) R,    alpha - beta = 1
    Gamma        (x w + gamma (x w)+) / (y + gamma (z+ + b+)) R    where y > 0; (..)- where y < 0
    ZBox         (x w - l w+ - h w-) / sum of these R              for inputs from l to h
    WSquare      w^2 / (sum w^2 + b^2) R
    Flat         1 / (n + 1) R

All but the last three are x times a gradient, R being y times the gradient g that comes to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agnostix.neural.lrp.conservation import BIAS, EPSILON

if TYPE_CHECKING:
    from agnostix.neural.lrp.conservation import Account
    from agnostix.neural.operations.linear import LinearOperation

STABILIZER = 1e-9
"""Of denominators that have no epsilon of their own."""


@dataclass(frozen=True)
class Rule:
    """How relevance passes a linear operation: from a gradient of its output to one of its input."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input, of which the input times it is its relevance."""
        raise NotImplementedError(f"{type(self).__name__} does not define pass_back.")


@dataclass(frozen=True)
class DirectRule(Rule):
    """A rule that gives relevance to inputs of 0 too, so that it is for the network's own input.

    What it passes back is the relevance itself.
    """


@dataclass(frozen=True)
class Epsilon(Rule):
    """Relevance by each input's share of the output, Bach et al. (2015); 0 is LRP-0."""

    epsilon: float = 1e-6
    relative: bool = False
    """Whether epsilon counts in root mean squares of the row's outputs."""

    def pass_back(self, operation: LinearOperation, gradient: Any, account: Account) -> Any:
        """Gradient by the input."""
        output = operation.output.value
        epsilon = self.epsilon * account.root_mean_square(output) if self.relative else self.epsilon
        share = output if account.absorbs_bias else operation.products
        return operation.transpose(distribute(output * gradient, share, operation.bias, account, epsilon))


def stabilized(share: Any, epsilon: Any) -> Any:
    """A denominator that stays away from 0."""
    return share + epsilon * (2 * (share >= 0) - 1)


def distribute(
    relevance: Any, denominator: Any, bias: Any, account: Account, epsilon: Any = STABILIZER
) -> Any:
    """Relevance over its denominator; what the bias and the stabilizer absorb is counted."""
    stable = stabilized(denominator, epsilon)
    ratio = relevance / stable
    account.note_size(relevance)
    account.absorb(EPSILON, ratio * (stable - denominator))
    if bias is not None and account.absorbs_bias:
        account.absorb(BIAS, ratio * bias)
    return ratio
