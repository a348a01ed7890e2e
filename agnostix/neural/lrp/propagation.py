"""Relevance through every kind of operation, as input times a modified gradient. Imports torch.

A value keeps its relevance y g, g being the gradient that comes to it, if an operation passes gradients that
sum to y g over its inputs: ReLU, sums, reshaping, pooling and constant factors do so by themselves. The rest:

    linear operation     the rule that the composite assigns
    batch norm           merged into the linear operation before it, also if written by hand
    f(x)                 (f(x) - f(0)) / x; f(0) is absorbed
    a b, a a gate        a is held                  (LSTM: Arras et al., 2017; attention: CP-LRP)
    a b                  half to each factor        (AttnLRP, Achtibat et al., 2024)
    softmax              its derivative             (AttnLRP); what it loses is absorbed; also by hand
    a / b                b is held
    recurrent layer      gates are held, a signal is one linear operation
    max(x, constant)     what is not x is absorbed
    normalization        the standard deviation is held; offsets are absorbed

Rules are in modules by kinds: `linear`, `products`, `functions`, `sums`, `recurrent`.
"""

from __future__ import annotations

from agnostix.neural.lrp.functions import FunctionRules
from agnostix.neural.lrp.products import ProductRules
from agnostix.neural.lrp.recurrent import RecurrentRules
from agnostix.neural.lrp.sums import SumRules
from agnostix.neural.operations.composites import CompositeRules


class RelevanceMode(ProductRules, FunctionRules, SumRules, RecurrentRules, CompositeRules):
    """Context of a forward pass whose gradients are relevance over input."""
