"""Operations of a forward pass, with their operands, as rules of relevance and of DeepLIFT need them.

`catalog` says what kind of operation a function of torch is, `mode` hands each to the method's rule for its
kind, `linear` has what rules of linear operations need, `composites` writes attention and its like by
simpler operations, `kept` keeps values that are written over in place, `row_axis` says where the rows of the
batch are in an inner tensor, and `guard` refuses what has come in unseen.
"""
