"""
Which explainer, and how far to trust it?
=========================================

Four explainers of a table of tumors: occlusion, Shapley values, LIME and the paths of a
surrogate tree. `compare_explainers` measures them on the same rows, tells which can be told
apart, and how far they agree. `unreliable` asks whether doubts about an explanation single out
predictions that are wrong.
"""

# %%
# A boosted classifier of 569 tumors, and four explainers of it.
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

from agnostix import KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer
from agnostix.metrics import avg_sensitivity, compare_explainers, unreliable

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
columns = ["mean radius", "mean texture", "mean smoothness", "mean concavity", "mean symmetry", "mean area"]
X, y = X[columns], np.where(y == 0, "malignant", "benign")
train, rows = X[:400], X[400:440]
model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(train, y[:400])
shared = {"outputs": "malignant", "random_state": 0}
explainers = {
    "occlusion": OcclusionExplainer(model, **shared),
    "Shapley values": KernelShapExplainer(model, background_size=30, **shared),
    "LIME": LimeExplainer(model, n_samples=1000, values="coef_x", **shared),
    "tree's paths": MimicTree(model, **shared),
}
explainers = {name: explainer.fit(train) for name, explainer in explainers.items()}

# %%
# Each explains the forty rows once. Differences are taken row by row, and corrected by Holm's
# method for their number: "cannot be told apart" is an answer too. Three metrics are of
# faithfulness; the average sensitivity, how much the explanations of the nearest tumors differ,
# is of stability, where explanations that are the same everywhere would be the best.
background = X[:400:8]
stability = partial(avg_sensitivity, data=train, n_neighbors=5)
metrics = ["deletion", "insertion", "comprehensiveness", stability]
result = compare_explainers(model, rows, explainers, metrics=metrics, masker=background)
print(result)

# %%
# In every column better is to the right. Full dots may be the best of their column. The intervals
# are those of the mean over rows; most of their width is the variation between rows, which
# paired differences do not have.
result.plot()

# %%
# The disagreement problem: how many of the three most relevant columns do two explanations
# share, how often with the same sign, and how often in the same place?
top = compare_explainers(model, rows, explainers, metrics=["deletion"], masker=background, k=3)
agreement = top.to_frame("agreement").pivot(index=["one", "other"], columns="measure", values="mean")
print(agreement[["top-k", "signs", "ranks", "spearman"]].round(2))

# %%
# What they cost: model rows to fit and to explain.
print(result.to_frame("cost")[["explainer", "fit_model_rows", "model_rows"]])

# %%
# Does a doubtful explanation mean a doubtful prediction? Predictions for 169 new tumors, some of
# which are wrong; the competitor is the model's own margin between the two classes.
new, truth = X[400:], y[400:]
lime = LimeExplainer(model, n_samples=1000, random_state=0).fit(train)
doubts = unreliable(model, new, truth, lime)
print(doubts)
doubts.plot()

plt.show()
