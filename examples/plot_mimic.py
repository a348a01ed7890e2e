"""
The model as rules: surrogate trees
===================================

A small decision tree approximates a random forest, with its fidelity measured
on held-out rows: the rules, the fidelity of each leaf, the number of leaves,
the stability of the tree; and a model of numeric and categorical
columns exported to SQL.
"""

# %%
# A forest of 100 trees classifies tumors by thirty measurements. The surrogate
# tree is fitted on the half of the rows that the forest has not seen, since the
# forest's predictions are more extreme on the others.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from agnostix import MimicTree
from agnostix.plotting import LeavesDisplay, PruningPathDisplay, TreeDisplay, WaterfallDisplay

data = load_breast_cancer(as_frame=True)
X, y = data.data, data.target_names[data.target]
forest = RandomForestClassifier(100, random_state=0).fit(X[::2], y[::2])
mimic = MimicTree(forest, max_leaf_nodes=8, random_state=0).fit(X[1::2])

# %%
# What was selected, and the fidelity. It is cross-fitted, and the interval
# allows for the rows that the five trees share.
fidelity = mimic.fidelity_
print(f"targets {mimic.targets_!r}, synthetic rows {mimic.synthetic_!r}")
measures = fidelity.frame(level=0.95)
print("agreement of labels {value:.1%} ({low:.1%} to {high:.1%})".format(**measures.loc["label"]))
print("R² of the probabilities {value:.2f} ({low:.2f} to {high:.2f})".format(**measures.loc["r2"]))
print(f"{mimic.n_model_rows_:,} model rows")

# %%
# The tree. Bars are its probabilities; leaves with a fidelity below 0.8 are orange.
TreeDisplay.from_estimator(mimic).plot()

# %%
# Most tumors reach leaves on which tree and forest agree. The others are leaves of
# few rows near the boundary, whose intervals are wide.
LeavesDisplay.from_estimator(mimic).plot()

# %%
# How many leaves does it take? Pruning one large tree gives all sizes. Seven leaves
# are nearly as good as twenty here; the synthetic rows, which take part in the
# choice, still gain.
PruningPathDisplay.from_estimator(MimicTree(forest, max_leaf_nodes=24, random_state=0).fit(X[1::2])).plot()

# %%
# Fidelity to the forest's predictions on the rows that it was fitted on, where they
# are more extreme. With the true labels, `fidelity` also compares the accuracies.
seen = mimic.fidelity(X[::2], y[::2])
print(f"on the forest's training rows: agreement of labels {seen.label:.1%}, R² {seen.r2:.2f}")
accuracies = seen.accuracy_model, seen.accuracy_tree, seen.accuracy_both
print("accuracy: forest {:.1%}, tree {:.1%}, both right {:.1%}".format(*accuracies))

# %%
# Ten trees on bootstrap samples: do they agree on the labels, and use the same
# columns, many of which are correlated?
refits = mimic.stability(10)
print(f"labels agree on {refits.agreement:.1%} of rows, columns by {refits.jaccard:.0%}")
print(refits.used[refits.used > 0].sort_values(ascending=False).to_string())

# %%
# The path of one tumor. The waterfall ends at the tree's prediction, the gray dot;
# the gray bar is the gap to the forest's.
exp = mimic.explain(X[1::2], outputs="malignant")
undecided = int(np.abs(exp.outputs[:, 0] - 0.5).argmin())
print(exp.extras["rule"].array[undecided])
WaterfallDisplay.from_explanation(exp, row=undecided, max_features=5).plot()

# %%
# Numbers, categories and missing values: who returns a bicycle late? Rules have sets
# of levels, and say where missing values go.
rng = np.random.default_rng(0)
n = 3000
rides = pd.DataFrame(
    {
        "age": rng.integers(16, 80, n).astype(float),
        "day": rng.choice(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], n),
        "rider's plan": rng.choice(["day", "month", "year"], n, p=[0.5, 0.3, 0.2]),
        "minutes": rng.gamma(3, 12, n).round(),
    }
)
rides.loc[rng.random(n) < 0.1, "age"] = np.nan
weekend, daily = rides["day"].isin(["Sat", "Sun"]), rides["rider's plan"] == "day"
odds = rides["minutes"] / 10 - 6 + 2 * weekend * daily + (rides["age"] < 25)
late = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "late", "in time")

coded = make_column_transformer(
    (OrdinalEncoder(), ["day", "rider's plan"]), remainder="passthrough", verbose_feature_names_out=False
)
boosted = HistGradientBoostingClassifier(categorical_features=[0, 1], max_iter=50, random_state=0)
model = make_pipeline(coded, boosted).fit(rides, late)
rules = MimicTree(model, max_leaf_nodes=8, random_state=0).fit(rides)
TreeDisplay.from_estimator(rules).plot()

# %%
# The same rules for a database.
print(rules.to_sql(output="late", table="rides"))

# %%
# And as a function of plain Python, with the same prediction for every row.
namespace = {}
exec(rules.to_python(output="late"), namespace)
by_function = [namespace["predict"](ride) for ride in rides.to_dict("records")]
print("differences:", int((rules.predict_proba(rides)[:, 1] != by_function).sum()))

plt.show()
