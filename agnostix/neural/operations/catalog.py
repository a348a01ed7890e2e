"""Kinds of operations, by the names that torch gives its functions. Imports nothing."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LINEAR = _names("linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d")
"""Of an input, a weight and a bias."""
MATRIX_PRODUCTS = _names("matmul mm bmm mv dot vdot inner rmatmul tensordot")
ADDED_PRODUCTS = _names("addmm addmv baddbmm addbmm addcmul addcdiv")
PRODUCTS = _names("mul multiply rmul imul outer ger kron")
QUOTIENTS = _names("div divide true_divide truediv rtruediv rdiv idiv itruediv")
ACTIVATIONS = _names(
    """celu clamp clamp_max clamp_min clip elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu
    log_sigmoid logsigmoid mish prelu relu relu6 rrelu selu sigmoid silu softplus softshrink swish tanh
    threshold"""
)
FUNCTIONS = _names(
    """abs absolute acos acosh asin asinh atan atanh cos cosh digamma erf erfc erfinv exp exp2 expit expm1
    float_power i0 lgamma log log10 log1p log2 logit pow reciprocal rpow rsqrt sin sinc sinh special_erf
    special_expit sqrt square tan"""
)
"""Other functions of one number."""
ZERO_AT_ZERO = _names(
    """abs absolute asin asinh atan celu elu erf expm1 gelu hardshrink hardswish hardtanh leaky_relu log1p
    mish prelu relu relu6 rrelu selu silu sin sinh softshrink special_erf sqrt square swish tan tanh"""
)
REDUCTIONS = _names("linalg_norm linalg_vector_norm logsumexp special_logsumexp std std_mean var var_mean")
"""Functions of all numbers along axes, that simpler operations make."""
SOFTMAX = _names("softmax log_softmax")
NORMALIZATIONS = _names("layer_norm group_norm instance_norm rms_norm")
BATCH_NORM = _names("batch_norm")
MAX_POOLING = _names(
    """max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices
    max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
    adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices"""
)
MAXIMA = _names("amax amin max min maximum minimum fmax fmin")
RECURRENT = _names("lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell")
ATTENTION = _names("scaled_dot_product_attention")
GLU = _names("glu")
EINSUM = _names("einsum")
SUMS = _names(
    """add iadd radd sub isub rsub subtract cat concat concatenate stack hstack vstack dstack column_stack
    where masked_fill masked_scatter pad constant_pad_nd index_fill index_put index_add index_copy
    scatter scatter_add select_scatter slice_scatter diagonal_scatter setitem copy lerp fill fill_diagonal
    zero tril triu"""
)
"""Sums of operands, or choices among them, which constants may be among."""

KINDS = {
    name: kind
    for kind, names in {
        "linear": LINEAR,
        "matrix_product": MATRIX_PRODUCTS,
        "added_product": ADDED_PRODUCTS,
        "product": PRODUCTS,
        "quotient": QUOTIENTS,
        "function": ACTIVATIONS | FUNCTIONS,
        "reduction": REDUCTIONS,
        "softmax": SOFTMAX,
        "normalization": NORMALIZATIONS,
        "batch_norm": BATCH_NORM,
        "max_pooling": MAX_POOLING,
        "maximum": MAXIMA,
        "recurrent": RECURRENT,
        "attention": ATTENTION,
        "glu": GLU,
        "einsum": EINSUM,
        "sum": SUMS,
    }.items()
    for name in names
}
"""What `OperationMode` calls the rule of an operation by, by its name."""
WHOLE = MAX_POOLING
"""Functions written in Python that are handled as they are called, not by what they call."""
IN_PLACE = {f"__i{name}__" for name in ("add", "sub", "mul", "truediv", "div", "pow")} | {"__setitem__"}
"""Names of methods in place that do not end with one underscore."""
