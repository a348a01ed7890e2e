"""
Which features made this prediction?
====================================

A Pipeline on a table of numbers and labels, explained in the columns that its
user knows; rows clustered by why they were predicted so; and a plain function.
"""

# %%
# Let us make the numbers up, so that the
# truth is known: the price of a flat grows with its size, more so in the
# centre, and falls with its age.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from agnostix import OcclusionExplainer, as_predictor
from agnostix.plotting import BarDisplay, BeeswarmDisplay, HeatmapDisplay, ScatterDisplay, WaterfallDisplay

rng = np.random.default_rng(0)
flats = pd.DataFrame(
    {
        "size": rng.uniform(25, 140, 600).round(),
        "age": rng.integers(0, 90, 600),
        "district": rng.choice(["centre", "north", "harbour"], 600),
        "lift": rng.random(600) < 0.5,
    }
)
price = (
    flats["size"] * np.where(flats["district"] == "centre", 6.0, 3.5) - flats["age"] + rng.normal(0, 15, 600)
)
encode = make_column_transformer((OneHotEncoder(sparse_output=False), ["district"]), remainder="passthrough")
model = make_pipeline(encode, HistGradientBoostingRegressor(max_iter=80, random_state=0)).fit(flats, price)

# %%
# The model is asked about the flats with each column hidden behind those of
# 100 other flats; how many rows that takes is known before.
explainer = OcclusionExplainer(model, random_state=0).fit(flats)
print(f"{explainer.cost(flats.head(200)):,} model rows")
exp = explainer.explain(flats.head(200))
print(exp)

# %%
# One flat: from the mean prediction to its own. Size and district work
# together, so the parts do not add up, and the picture says by how much.
WaterfallDisplay.from_explanation(exp, row=0).plot()

# %%
# All of them: how much each column matters, in which direction, and how.
_, (left, right) = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
BarDisplay.from_explanation(exp).plot(left)
BeeswarmDisplay.from_explanation(exp).plot(right)

# %%
ScatterDisplay.from_explanation(exp, "size").plot()

# %%
HeatmapDisplay.from_explanation(exp).plot()

# %%
# An explainer is a transformer: rows that have their price for the same
# reasons are found by clustering the explanations, inside a Pipeline.
reasons = make_pipeline(explainer.set_output(transform="pandas"), StandardScaler(), KMeans(3, random_state=0))
cluster = reasons.fit_predict(flats.head(200))
print(exp.aggregate(by=cluster, how="mean").to_frame("wide").round(1).to_string())

# %%
# Any function can be explained.
of_area = as_predictor(lambda X: np.pi * X["radius"] ** 2, output_names=["area"])
circles = pd.DataFrame({"radius": [1.0, 2.0, 3.0], "colour": ["red", "green", "blue"]})
print(OcclusionExplainer(of_area).fit(circles).explain(circles).to_frame().round(2).to_string(index=False))

plt.show()
