"""Doubt: do signs of doubt about an explanation single out wrong predictions?

`unreliable` has the function of its name, with results in `unreliable_result`. `signals` are the signs,
`wrong_predictions` says which predictions are wrong, and `roc` has ROC curves with their intervals.
"""
