"""
How sure is a number?
=====================

Intervals of values, of means over rows and of differences; what all rows share; and
what an error of 0 means.
"""

# %%
# The data are made up, so that the truth is known: minutes by which trains are late.
# Two columns move the delay by the same amount; the color of the train never does.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from agnostix import KernelShapExplainer, OcclusionExplainer
from agnostix.plotting import BarDisplay, WaterfallDisplay

rng = np.random.default_rng(0)
n = 3_000
trains = pd.DataFrame(
    {
        "load": rng.normal(0, 1, n),
        "wind": rng.normal(0, 1, n),
        "snow": rng.exponential(1, n),
        "strike": (rng.random(n) < 0.02).astype(int),
        "color": rng.integers(0, 5, n),
    }
)


def delay(X):
    X = np.asarray(X, dtype=float)
    return 3 * X[:, 0] + 3 * X[:, 1] + 2 * np.minimum(X[:, 2], 4) * (X[:, 1] > 0) + 30 * X[:, 3]


# %%
# One train, against 20 that are chosen to stand for all: every value has an interval,
# and so has the base value, a mean over the same 20. A frame has the ends for any level.
explainer = KernelShapExplainer(delay, background_size=20, random_state=0).fit(trains)
some = trains.head(300)
exp = explainer.explain(some)
WaterfallDisplay.from_explanation(exp, row=4).plot()
print(exp[4].to_frame(level=0.9).round(2).to_string(index=False))

# %%
# Means over rows. Neighbors that are joined beside their names cannot be told apart.
BarDisplay.from_explanation(exp).plot()

# %%
# The error of the background is the same for all rows, and does not average out. With
# 20 rows drawn at random it is most of the error of a mean over 300 rows; with 20
# chosen ones it is not.
for background in ("sample", "representative"):
    explainer = KernelShapExplainer(delay, background=background, background_size=20, random_state=0)
    both = explainer.fit(trains).explain(some)
    for n_rows in (30, 300):
        errors = both[:n_rows].aggregate(how="mean").std_errors[:, 0]
        print(f"{background}, mean over {n_rows} rows: standard errors {errors.round(2).tolist()}")

# %%
# What is shared cancels in differences. Of two trains the background's part is the
# same wherever their other columns do not matter.
apart = exp.difference(0, 1, dim="row")
independent = np.hypot(*exp.std_errors[:2, :, 0])
columns = {
    "difference": apart.values[0, :, 0],
    "error": apart.std_errors[0, :, 0],
    "if independent": independent,
}
print(pd.DataFrame(columns, index=exp.feature_names).round(2).to_string())

# %%
# Does the load matter more than the wind? Their bars alone do not say.
for pair in (("wind", "load"), ("wind", "snow")):
    low, high = exp.difference(*pair, how="mean_abs").interval()
    print(f"{pair[0]} less {pair[1]}: {low.item():.2f} to {high.item():.2f} minutes")

# %%
# With all rows as the background nothing is sampled, and errors are 0: exact.
exact = OcclusionExplainer(delay, background_size=n, random_state=0).fit(trains).explain(trains.head(3))
print(exact.to_frame(level=0.95).head(5).round(2).to_string(index=False))

plt.show()
