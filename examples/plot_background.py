"""
Fifty rows that stand for a table
=================================

A background is chosen instead of drawn: rows that together are as the table is,
rare levels and tails among them. What that does to explanations, and to curves.
"""

# %%
# Simulated policies, so that all can be compared with the whole table: one in two
# hundred is a fleet, most have no claims, and mileage has a long tail.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from agnostix import KernelShapExplainer, representative_sample

n = 3000


def draw_policies(rng: np.random.Generator) -> tuple[pd.DataFrame, HistGradientBoostingRegressor]:
    """A table of policies, and a model of their cost."""
    table = pd.DataFrame(
        {
            "mileage": np.exp(rng.normal(2.5, 0.8, n)),
            "age": rng.integers(18, 90, n).astype(float),
            "claims": np.where(rng.random(n) < 0.85, 0, rng.poisson(2.0, n)).astype(float),
            "fleet": (rng.random(n) < 0.005).astype(float),
        }
    )
    cost = (
        (2.0 + 2.0 * table["claims"]) * np.log1p(table["mileage"])
        + 4.0 * table["claims"] * (table["age"] < 30)
        + 30.0 * table["fleet"]
        + rng.normal(0.0, 1.0, n)
    )
    return table, HistGradientBoostingRegressor(max_iter=60, min_samples_leaf=5, random_state=0).fit(
        table, cost
    )


rng = np.random.default_rng(0)
policies, model = draw_policies(rng)

# %%
# Fifty chosen rows. The size of a dot is its weight; the tail of mileage and the
# fleets have rows of their own, with little weight.
sample = representative_sample(policies, 50)
is_fleet = sample.rows["fleet"] == 1
_, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.scatter(policies["mileage"], policies["age"], s=4, color="#d0d0d0", label="table")
for chosen, color, label in ((~is_fleet, "#1f5fa8", "chosen"), (is_fleet, "#c8553d", "chosen, fleets")):
    rows = sample.rows[chosen]
    axes.scatter(rows["mileage"], rows["age"], s=2500 * sample.weights[chosen], color=color, label=label)
axes.set(xscale="log", xlabel="mileage (thousand km)", ylabel="age")
axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=3, frameon=False)

# %%
# Shapley values of 100 policies with the whole table as background, and with fifty
# chosen, or a hundred random rows: how far are they off? The model's trees have the
# first exactly; the others are what any model gets.
explained = policies.iloc[:100]
whole = KernelShapExplainer(model, algorithm="tree").fit(policies).explain(explained)


def errors(background: str, size: int, seed: int) -> np.ndarray:
    """Root mean squared error of each feature."""
    explainer = KernelShapExplainer(
        model, algorithm="kernel", background=background, background_size=size, random_state=seed
    )
    values = explainer.fit(policies).explain(explained).values
    return np.sqrt(np.square(values - whole.values).mean(axis=(0, 2)))


drawn = np.mean([errors("sample", 100, seed) for seed in range(10)], axis=0)
chosen = np.mean([errors("representative", 50, seed) for seed in range(3)], axis=0)
_, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
places = np.arange(len(policies.columns))
axes.barh(places - 0.2, drawn, 0.38, color="#d0d0d0", label="100 random rows")
axes.barh(places + 0.2, chosen, 0.38, color="#1f5fa8", label="50 chosen rows")
axes.set_yticks(places, policies.columns)
axes.invert_yaxis()
axes.set_xlabel("root mean squared error of Shapley values")
axes.legend(frameon=False, loc="lower right")

# %%
# The errors know: how often does the 95 % interval of a value hold the value beside
# the whole table? All rows share the error of the background, so that the rows of one
# table are covered together or missed together: it takes many tables to tell. Hardest
# is age, whose effect rests on the few young drivers with claims (one row in fifty):
# fifty rows hold one or two of them.


def cover(seed: int) -> np.ndarray:
    """Share of the intervals of each feature that hold the exact value, in a table of its own."""
    table, model = draw_policies(np.random.default_rng(seed))
    exact = KernelShapExplainer(model, algorithm="tree").fit(table).explain(table.iloc[:100])
    exp = (
        KernelShapExplainer(model, algorithm="kernel", random_state=seed).fit(table).explain(table.iloc[:100])
    )
    low, high = exp.interval(0.95)
    return ((low <= exact.values) & (exact.values <= high)).mean(axis=(0, 2))


covered = pd.DataFrame([cover(seed) for seed in range(20)], columns=policies.columns)
print(covered.describe().loc[["mean", "min", "max"]].round(2))

# %%
# A curve that is an average over rows, such as partial dependence, from 3,000 rows
# and from fifty.
grid = np.geomspace(2.0, 100.0, 60)


def curve(rows: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    """Mean prediction with the mileage of all rows set to each value of the grid."""
    return np.array([weights @ model.predict(rows.assign(mileage=value)) for value in grid])


random = rng.choice(n, (8, 50))
_, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
for j, rows in enumerate(random):
    label = "50 random rows" if j == 0 else None
    axes.plot(grid, curve(policies.iloc[rows], np.full(50, 1 / 50)), color="#d0d0d0", label=label)
axes.plot(grid, curve(policies, np.full(n, 1 / n)), color="black", lw=3, label="all 3,000 rows")
axes.plot(grid, curve(sample.rows, sample.weights), color="#e08a1e", label="50 chosen rows")
axes.set(xscale="log", xlabel="mileage (thousand km)", ylabel="mean predicted cost")
axes.legend(frameon=False)
plt.show()
