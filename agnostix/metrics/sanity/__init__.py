"""Sanity: would the explanation look the same for a model that has learned nothing?

`randomization` has `model_randomization`, whose layers are reset in `reset_layers`, and `random_logit`;
`retraining` has `data_randomization` and `roar`. Maps are made again in `explain_again`, and what their
similarity says is put into words in `verdicts`.
"""
