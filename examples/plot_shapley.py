"""
How do the features share a prediction?
=======================================

Shapley values with intervals: exact on a Pipeline over numbers and labels,
from few coalitions on a wider table, of segments of pictures; and rows
clustered by them.
"""

# %%
# Let us make the numbers up, so that the truth is known: what a night in a
# hotel costs. Near the sea a pool is worth something in summer; a breakfast
# always; the colour of the door never.
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from agnostix import KernelShapExplainer, as_predictor
from agnostix.maskers import SegmentMasker
from agnostix.plotting import BeeswarmDisplay, WaterfallDisplay

rng = np.random.default_rng(0)
nights = pd.DataFrame(
    {
        "stars": rng.integers(1, 6, 800),
        "season": rng.choice(["winter", "spring", "summer", "autumn"], 800),
        "pool": rng.random(800) < 0.4,
        "km to sea": rng.gamma(1.5, 8.0, 800).round(1),
        "breakfast": rng.choice(["none", "buffet"], 800),
        "door": rng.choice(["red", "green", "blue"], 800),
    }
)
bathing = (nights["season"] == "summer") & nights["pool"] & (nights["km to sea"] < 10)
price = 25 * nights["stars"] + 12 * (nights["breakfast"] == "buffet") + 45 * bathing + rng.normal(0, 5, 800)
encode = make_column_transformer(
    (OneHotEncoder(sparse_output=False), ["season", "breakfast", "door"]), remainder="passthrough"
)
model = make_pipeline(encode, GradientBoostingRegressor(random_state=0)).fit(nights, price)

# %%
# Six features have 64 coalitions. All of them are asked about, so that the
# only error left is that of the 100 nights that stand in. Many perturbed
# nights are alike and put to the model once: the cost is an upper bound.
explainer = KernelShapExplainer(model, random_state=0).fit(nights)
tonight = nights.head(100)
exp = explainer.explain(tonight)
print(exp)
print(f"at most {explainer.cost(tonight):,} model rows, in fact {exp.n_model_rows:,}")

# %%
# A night by the sea in summer: season, pool and the short way share what none
# of them is worth alone. The lines are 95 % intervals.
WaterfallDisplay.from_explanation(exp, row=int(np.flatnonzero(bathing)[0])).plot()

# %%
BeeswarmDisplay.from_explanation(exp).plot()

# %%
# Columns that belong together can be one player. Its value need not be the sum
# of its members': what they do with others is shared in another way.
members = ["season", "pool", "km to sea"]
grouped = KernelShapExplainer(model, feature_groups={"bathing": members}, random_state=0).fit(nights)
as_one = grouped.explain(tonight).sel(features="bathing").values[:, 0, 0]
apart = exp.sel(features=members).values[:, :, 0].sum(axis=1)
print(pd.DataFrame({"as one": as_one, "members": apart})[bathing[:100]].head(3).round(2).to_string())

# %%
# Nights that cost what they cost for the same reasons, inside a Pipeline. A
# Pipeline fits its steps again; a frozen one keeps its background.
explainer.set_output(transform="pandas")
reasons = make_pipeline(FrozenEstimator(explainer), StandardScaler(), KMeans(4, random_state=0))
cluster = reasons.fit_predict(tonight)
print(exp.aggregate(by=cluster, how="mean").to_frame("wide").round(1).to_string())


# %%
# Eleven columns have 2,048 coalitions. With 48 of them the values have an
# error of their own; beside the exact ones, its intervals can be tried. The
# background rows are all that there are, so that nothing else errs.
def risk(X):
    """Any function can be explained."""
    score = (
        4 * X[:, 0] * X[:, 1] * X[:, 2] + 3 * np.sin(6 * X[:, 3] * X[:, 4]) + (X[:, 5] > X[:, 6]) * X[:, 7]
    )
    return 1 / (1 + np.exp(-2 * (score - 1) + X[:, 8:].sum(axis=1)))


X = rng.random((300, 11))
whole = KernelShapExplainer(risk, background="all", random_state=0).fit(X[:20])
few = KernelShapExplainer(risk, background="all", budget=48, random_state=0).fit(X[:20])
exact, sampled = whole.explain(X[20:60]), few.explain(X[20:60])
truth, estimate = exact.values[:, :, 0], sampled.values[:, :, 0]
margin = (sampled.interval()[1] - sampled.values)[:, :, 0]
print(f"{np.mean(np.abs(estimate - truth) <= margin):.0%} of the intervals contain the exact value")

_, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
bars = {"fmt": "o", "markersize": 3, "linewidth": 0.8}
left.errorbar(truth.ravel(), estimate.ravel(), margin.ravel(), **bars)
left.axline((0, 0), slope=1, color="0.6", linewidth=0.8, zorder=0)
left.set(xlabel="exact, 2,048 coalitions", ylabel="sampled, 48 coalitions", title="All values of 40 rows")
right.errorbar((estimate - truth)[0], np.arange(11), xerr=margin[0], **bars)
right.axvline(0, color="0.6", linewidth=0.8, zorder=0)
right.set(title="One row", xlabel="sampled less exact, 95 % intervals", yticks=range(11))
right.set_yticklabels(exact.feature_names)

# %%
# Under a tolerance each row stops by its own errors.
careful = KernelShapExplainer(risk, background="all", budget=1024, tol=0.02, random_state=0).fit(X[:20])
n, times = np.unique(careful.explain(X[20:120]).extras["evaluations"].array, return_counts=True)
print({f"{m} evaluations": f"{count} rows" for m, count in zip(n.tolist(), times.tolist(), strict=True)})

# %%
# Segments of pictures are features too: hidden ones get the picture's mean
# grey. Sixteen have 65,536 coalitions, of which 512 are asked about.
pictures, digits = load_digits(return_X_y=True)
reader = LogisticRegression(max_iter=2000).fit(pictures[:1500] / 16.0, digits[:1500])


def read(images):
    """Probabilities of the ten digits."""
    return reader.predict_proba(images.reshape(len(images), -1) / 16.0)


squares = np.arange(16).reshape(4, 4).repeat(2, axis=0).repeat(2, axis=1)
reads = as_predictor(read, task="classification", output_names=[str(digit) for digit in range(10)])
of_pictures = KernelShapExplainer(
    reads, masker=SegmentMasker(squares), outputs="predicted", random_state=0
).fit(pictures[:1500].reshape(-1, 8, 8))
shown = pictures[[1500, 1501, 1503, 1505]].reshape(-1, 8, 8)
why = of_pictures.explain(shown)

_, axes = plt.subplots(2, 4, figsize=(8, 4.6), layout="constrained")
bound = np.abs(why.values).max()
for j, (above, below) in enumerate(axes.T):
    above.imshow(shown[j], cmap="gray_r")
    above.set_title(f"read as {why.extras['predicted'].array[j]}, {why.outputs[j, 0]:.0%}", fontsize=10)
    painted = below.imshow(why.values[j, squares, 0], cmap="PuOr", vmin=-bound, vmax=bound)
    below.set_title(f"± {(why.interval()[1] - why.values)[j].max():.3f} at most", fontsize=10)
    above.set_axis_off()
    below.set_axis_off()
plt.colorbar(painted, ax=axes[1], label="Shapley value", shrink=0.9)

# %%
# An explainer can be stored without its model, and given the model again.
stored = pickle.dumps(explainer.without_model())
again = pickle.loads(stored).attach(model)
print(f"{len(stored):,} bytes; the same values: {np.array_equal(again.explain(tonight).values, exp.values)}")

plt.show()
