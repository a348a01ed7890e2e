"""
Which rules does the model follow, and how closely?
===================================================

A tree of few leaves that copies a forest, with its fidelity measured on rows
that it was not grown on: the rules, leaf by leaf, how many leaves it takes,
what other rows would have made of it; and a model of numbers and labels that
leaves as SQL.
"""

# %%
# Tumours, benign or malignant, by a forest of 100 trees on thirty columns. The
# half that the forest was not fitted on is what the tree is to be faithful on.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from agnostix import MimicTree
from agnostix.plotting import FrontierDisplay, LeavesDisplay, TreeDisplay, WaterfallDisplay

data = load_breast_cancer(as_frame=True)
X, y = data.data, data.target_names[data.target]
forest = RandomForestClassifier(100, random_state=0).fit(X[::2], y[::2])
mimic = MimicTree(forest, max_leaf_nodes=8, random_state=0).fit(X[1::2])

# %%
# What was chosen, and how faithful it is. The interval takes into account that
# five trees took turns to tell.
told = mimic.fidelity_
print(f"grown on targets {mimic.targets_!r}, with drawn rows {mimic.synthetic_!r}")
print(f"{told.label:.1%} of labels are the forest's ({told.label_low:.1%} to {told.label_high:.1%})")
print(f"R² of the probabilities {told.r2:.2f} ± {1.96 * told.r2_std_error:.2f}")
print(f"{mimic.n_model_rows_:,} model rows")

# %%
# The tree. Bars are its probabilities; orange marks leaves that cannot be relied on.
TreeDisplay.from_estimator(mimic).plot()

# %%
# Most tumours come to leaves on which the tree and the forest agree. What is
# left over are leaves of few rows between the two, whose intervals are wide.
LeavesDisplay.from_estimator(mimic).plot()

# %%
# How many leaves does it take? One growth tells for all sizes. Seven are nearly as
# good here as twenty; rows drawn nearby, which take part in the choice, still gain.
FrontierDisplay.from_estimator(MimicTree(forest, max_leaf_nodes=24, random_state=0).fit(X[1::2])).plot()

# %%
# The forest knows the rows by heart that it was fitted on, and is surer of them: to its
# answers there, which the tree has not seen either, the same tree is another copy.
# With the truth, it is seen too how often forest, tree and both are right.
known = mimic.fidelity(X[::2], y[::2])
print(f"on rows that the forest was fitted on: {known.label:.1%} of labels, R² {known.r2:.2f}")
right = known.accuracy_model, known.accuracy_tree, known.accuracy_both
print("right: forest {:.1%}, tree {:.1%}, both {:.1%}".format(*right))

# %%
# Ten trees on rows drawn with replacement: they agree on nearly all labels, and
# not on the columns, of which many say the same.
refits = mimic.stability(10)
print(f"labels agree on {refits.agreement:.1%} of rows, columns by {refits.jaccard:.0%}")
print(refits.used[refits.used > 0].sort_values(ascending=False).to_string())

# %%
# One tumour on its way through the tree. The way ends at the tree's own answer,
# the grey dot; the grey bar is the gap to the forest's.
exp = mimic.explain(X[1::2], outputs="malignant")
doubtful = int(np.abs(exp.outputs[:, 0] - 0.5).argmin())
print(exp.extras["rule"].array[doubtful])
WaterfallDisplay.from_explanation(exp, row=doubtful, max_features=5).plot()

# %%
# Numbers, labels and missing values. Who gives a bicycle back late? Rules name
# labels as sets, and say where missing values go.
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
# And as a function that needs nothing but Python: the same answer for every row.
room = {}
exec(rules.to_python(output="late"), room)
by_function = [room["predict"](ride) for ride in rides.to_dict("records")]
print("differences:", int((rules.predict_proba(rides)[:, 1] != by_function).sum()))

plt.show()
