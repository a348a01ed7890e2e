"""Comparison: several explainers of one model by several metrics.

`explainers` has `compare_explainers`, whose results are in `comparison_result`. Metrics by name are in
`named`, explanations in the same units in `compared`, and tests of many pairs in `multiple`.
"""
