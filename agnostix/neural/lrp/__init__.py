"""Layer-wise relevance propagation (Bach et al., 2015) as input times a modified gradient.

`rules` has the rules of linear operations by the names of the papers, `composites` assigns them to
operations, `propagation` passes relevance through all kinds of operations, `gates` decides which factor of a
product is held, `conservation` accounts for what is absorbed, and `explainer` has `LrpExplainer`.
"""
