"""
Which of these explanations is faithful?
========================================

Deletion curves of a table and of pictures, each beside a random order; explanations
compared in pairs; pictures seen through their maps; what the fill changes.
"""

# %%
# Digits, a random forest that predicts the class, and RISE with few masks and with
# many: the second should be the more faithful.
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from agnostix import RiseExplainer
from agnostix.metrics import (
    average_drop,
    average_increase,
    deletion,
    insertion,
    rank_by_fill,
    road,
)

digits = load_digits()
images, labels = digits.images / 16.0, digits.target
forest = RandomForestClassifier(60, random_state=0).fit(images[:1200].reshape(1200, -1), labels[:1200])


def model(X):
    """Probabilities of the ten digits."""
    return forest.predict_proba(X.reshape(len(X), -1))


pictures = images[1200:1240]
explanations = {}
for n_masks in (64, 2048):
    explainer = RiseExplainer(model, n_masks=n_masks, n_cells=4, fill=0, outputs="predicted", random_state=0)
    explanations[f"RISE, {n_masks} masks"] = explainer.fit(images[:100]).explain(pictures)
fine = explanations["RISE, 2048 masks"]

# %%
# Deletion: hide the most relevant pixels first. Beside it the least relevant first
# and a random order; `against` is the advantage over them with its interval.
result = deletion(model, pictures, fine, step=4, fill=0)
print(result)
for reference in ("random", "least"):
    print(result.against(reference))
_, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
result.plot(left)
insertion(model, pictures, fine, step=4, fill="mean").plot(right)

# %%
# Two explanations are compared row by row.
scores = {name: deletion(model, pictures, exp, step=4, fill=0) for name, exp in explanations.items()}
print(scores["RISE, 64 masks"].difference(scores["RISE, 2048 masks"]))

# %%
# Whether the ranking depends on what hidden pixels are replaced by.
print(rank_by_fill(deletion, model, pictures, explanations, fills=[0.0, "mean", "blur"], step=4))
print(road(model, pictures, fine, proportions=[0.1, 0.3, 0.5]).against("least"))

# %%
# Pictures seen through their maps.
print(average_drop(model, pictures, fine))
print(average_increase(model, pictures, fine))
plt.show()
