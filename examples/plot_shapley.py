"""
How much does each feature contribute to this prediction?
=========================================================

Shapley values with intervals: exact for a Pipeline on numeric and categorical
columns, sampled for a wider table, by segments for images. And rows clustered by
their values.
"""

# %%
# The data are made up, so that the truth is known: the price of a night in a hotel.
# Near the sea a pool adds to it in summer; breakfast always does; the color of the
# door never.
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
# Six features have 64 coalitions. All of them are evaluated, so the only error is
# that of the 50 chosen background rows. Equal perturbed rows are evaluated once, so
# the cost is an upper bound. Without algorithm="kernel", which treats the model as
# any other, its trees would be read, and explained exactly over all 800 nights.
explainer = KernelShapExplainer(model, algorithm="kernel", random_state=0).fit(nights)
tonight = nights.head(100)
exp = explainer.explain(tonight)
print(exp)
print(f"at most {explainer.cost(tonight):,} model rows, in fact {exp.n_model_rows:,}")

# %%
# A summer night near the sea: season, pool and distance split what none of them
# adds alone. The lines are 95 % intervals.
WaterfallDisplay.from_explanation(exp, row=int(np.flatnonzero(bathing)[0])).plot()

# %%
# All nights: the values of each feature, colored by the feature.
BeeswarmDisplay.from_explanation(exp).plot()

# %%
# Columns can be grouped into one feature. Its value need not be the sum of the
# values of its columns, since interactions with other features are split differently.
members = ["season", "pool", "km to sea"]
grouped = KernelShapExplainer(
    model, algorithm="kernel", feature_groups={"bathing": members}, random_state=0
).fit(nights)
as_group = grouped.explain(tonight).sel(features="bathing").values[:, 0, 0]
as_columns = exp.sel(features=members).values[:, :, 0].sum(axis=1)
print(pd.DataFrame({"group": as_group, "columns": as_columns})[bathing[:100]].head(3).round(2).to_string())

# %%
# Nights clustered by the reasons for their price, inside a Pipeline. A Pipeline
# fits its steps again; a frozen explainer keeps its background.
explainer.set_output(transform="pandas")
reasons = make_pipeline(FrozenEstimator(explainer), StandardScaler(), KMeans(4, random_state=0))
cluster = reasons.fit_predict(tonight)
print(exp.aggregate(by=cluster, how="mean").to_frame("wide").round(1).to_string())


# %%
# Eleven features have 2,048 coalitions. With 48 of them the values have an error,
# whose intervals can be compared with the exact values. The background is taken as
# the whole population, so it adds no error.
def risk(X):
    """Any function can be explained."""
    score = (
        4 * X[:, 0] * X[:, 1] * X[:, 2] + 3 * np.sin(6 * X[:, 3] * X[:, 4]) + (X[:, 5] > X[:, 6]) * X[:, 7]
    )
    return 1 / (1 + np.exp(-2 * (score - 1) + X[:, 8:].sum(axis=1)))


X = rng.random((300, 11))
all_coalitions = KernelShapExplainer(risk, background="all", tol=None, random_state=0).fit(X[:20])
few_coalitions = KernelShapExplainer(risk, background="all", budget=48, random_state=0).fit(X[:20])
exact, sampled = all_coalitions.explain(X[20:60]), few_coalitions.explain(X[20:60])
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
right.set(title="One row", xlabel="sampled minus exact, 95 % intervals", yticks=range(11))
right.set_yticklabels(exact.feature_names)

# %%
# With a tolerance each row stops by its own errors.
tolerant = KernelShapExplainer(risk, background="all", budget=1024, tol=0.02, random_state=0).fit(X[:20])
n, counts = np.unique(tolerant.explain(X[20:120]).extras["evaluations"].array, return_counts=True)
print({f"{m} evaluations": f"{count} rows" for m, count in zip(n.tolist(), counts.tolist(), strict=True)})

# %%
# Segments of images are features too; hidden ones get the mean gray of the image.
# Sixteen have 65,536 coalitions, of which 512 are sampled.
digits, labels = load_digits(return_X_y=True)
classifier = LogisticRegression(max_iter=2000).fit(digits[:1500] / 16.0, labels[:1500])


def predict(images):
    """Probabilities of the ten digits."""
    return classifier.predict_proba(images.reshape(len(images), -1) / 16.0)


squares = np.arange(16).reshape(4, 4).repeat(2, axis=0).repeat(2, axis=1)
predictor = as_predictor(predict, task="classification", output_names=[str(digit) for digit in range(10)])
by_segment = KernelShapExplainer(
    predictor, masker=SegmentMasker(squares), outputs="predicted", random_state=0
).fit(digits[:1500].reshape(-1, 8, 8))
images = digits[[1500, 1501, 1503, 1505]].reshape(-1, 8, 8)
contributions = by_segment.explain(images)

_, axes = plt.subplots(2, 4, figsize=(8, 4.6), layout="constrained")
bound = np.abs(contributions.values).max()
for j, (above, below) in enumerate(axes.T):
    above.imshow(images[j], cmap="gray_r")
    digit = contributions.extras["predicted"].array[j]
    above.set_title(f"P({digit}) = {contributions.outputs[j, 0]:.0%}", fontsize=10)
    painted = below.imshow(contributions.values[j, squares, 0], cmap="PuOr", vmin=-bound, vmax=bound)
    half_width = (contributions.interval()[1] - contributions.values)[j].max()
    below.set_title(f"at most ± {half_width:.3f}", fontsize=10)
    above.set_axis_off()
    below.set_axis_off()
plt.colorbar(painted, ax=axes[1], label="Shapley value", shrink=0.9)

# %%
# An explainer can be stored without its model, and given the model again.
stored = pickle.dumps(explainer.without_model())
again = pickle.loads(stored).attach(model)
print(f"{len(stored):,} bytes; equal values: {np.array_equal(again.explain(tonight).values, exp.values)}")

plt.show()
