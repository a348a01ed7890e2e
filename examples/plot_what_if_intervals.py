"""
How sure is a scenario?
=======================

Intervals of what-if answers by two methods, for rows that are not independent, for whole
curves, and for anything else that is computed with the weights.
"""

# %%
# A model and a population in which two rows each come from one household.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from agnostix import EntropicProjection
from agnostix.plotting import LoveDisplay, WhatIfCurveDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
model = LinearRegression().fit(X[:200], y[:200])
people, outcome = X[200:], y[200:]
household = np.arange(len(people)) // 2

# %%
# The same scenario with errors by the delta method, from a thousand draws of the rows that are
# solved again, and with households drawn instead of rows.
methods = {
    "delta": ({}, None),
    "bootstrap": ({"std_errors": "bootstrap", "random_state": 0}, None),
    "delta, households": ({}, household),
    "bootstrap, households": ({"std_errors": "bootstrap", "random_state": 0}, household),
}
for name, (parameters, groups) in methods.items():
    projection = EntropicProjection(model, **parameters).fit(people, outcome, groups=groups)
    row = projection.what_if({"bmi": 28}).outcomes.iloc[0]
    print(f"{name:22} {row['value']:.1f} ({row['low']:.1f} to {row['high']:.1f})")

# %%
# A band that holds the whole curve, around intervals that hold one point each.
curves = EntropicProjection(model).fit(people, outcome).explain(features="bmi", simultaneous=True)
display = WhatIfCurveDisplay.from_explanation(curves, "bmi").plot()
frame = curves.frame
for name in ("band_low", "band_high"):
    display.ax_.plot(frame["target"], frame[name], color="gray", lw=1, ls="--")

# %%
# What the reweighting balanced, and what it moved along.
scenario = EntropicProjection(model).fit(people, outcome).what_if({"bmi": 28, "bp": 97, "age": 51})
LoveDisplay.from_explanation(scenario).plot()
print(f"design effect {scenario.design_effect:.2f}, of the mean prediction", end=" ")
print(f"{scenario.outcomes['design_effect'][0]:.2f}")

# %%
# Replicate weights give an error to any number that is computed from rows and weights, here the
# share of people with a blood pressure above 100.
replicates = scenario.replicate_weights(200, random_state=0)
high = (people["bp"] > 100).to_numpy()
share = scenario.weights @ high / len(people)
error = np.sqrt(np.mean((replicates.T @ high / len(people) - share) ** 2))
print(f"{100 * share:.0f} % +- {100 * error:.1f}")
plt.show()
