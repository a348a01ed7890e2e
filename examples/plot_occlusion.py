"""
Which features made this prediction?
====================================

A Pipeline on a table of numbers and labels, explained by the columns of the
table; rows clustered by the reasons for their predictions; and a plain function.
"""

# %%
# Simulated data, so that the truth is known: the price of a flat grows with its
# size, more so in the center, and falls with its age.
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
        "district": rng.choice(["center", "north", "harbor"], 600),
        "lift": rng.random(600) < 0.5,
    }
)
price = (
    flats["size"] * np.where(flats["district"] == "center", 6.0, 3.5) - flats["age"] + rng.normal(0, 15, 600)
)
encode = make_column_transformer((OneHotEncoder(sparse_output=False), ["district"]), remainder="passthrough")
model = make_pipeline(encode, HistGradientBoostingRegressor(max_iter=80, random_state=0)).fit(flats, price)

# %%
# Each column of a flat is replaced by the values of 100 other flats. The number of
# model rows is known before anything runs.
explainer = OcclusionExplainer(model, random_state=0).fit(flats)
print(f"{explainer.cost(flats.head(200)):,} model rows")
exp = explainer.explain(flats.head(200))
print(exp)

# %%
# One flat: from the mean prediction to its own. Size and district interact, so the
# effects do not add up; the gray bar is the difference.
WaterfallDisplay.from_explanation(exp, row=0).plot()

# %%
# All flats: how much each column matters, in which direction, and how.
_, (left, right) = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
BarDisplay.from_explanation(exp).plot(left)
BeeswarmDisplay.from_explanation(exp).plot(right)

# %%
ScatterDisplay.from_explanation(exp, "size").plot()

# %%
HeatmapDisplay.from_explanation(exp).plot()

# %%
# An explainer is a transformer. Clustering the explanations, inside a Pipeline,
# gives groups of flats that have their price for the same reasons.
reasons = make_pipeline(explainer.set_output(transform="pandas"), StandardScaler(), KMeans(3, random_state=0))
cluster = reasons.fit_predict(flats.head(200))
print(exp.aggregate(by=cluster, how="mean").to_frame("wide").round(1).to_string())

# %%
# Any function can be explained.
of_area = as_predictor(lambda X: np.pi * X["radius"] ** 2, output_names=["area"])
circles = pd.DataFrame({"radius": [1.0, 2.0, 3.0], "color": ["red", "green", "blue"]})
print(OcclusionExplainer(of_area).fit(circles).explain(circles).to_frame().round(2).to_string(index=False))

plt.show()
