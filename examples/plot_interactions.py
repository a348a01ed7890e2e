"""
Which features act together?
============================

Interactions of pairs with intervals: exact for trees, from sampled coalitions for a
network, as a network of features, as a heatmap, and as a waterfall.
"""

# %%
# The data are made up, so that the truth is known: the price of a night in a hotel.
# A pool adds to it in summer alone, and the sea is worth more with more stars.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from agnostix import KernelShapExplainer
from agnostix.plotting import InteractionHeatmapDisplay, InteractionNetworkDisplay

rng = np.random.default_rng(0)
nights = pd.DataFrame(
    {
        "stars": rng.integers(1, 6, 800),
        "season": rng.choice(["winter", "spring", "summer", "autumn"], 800),
        "pool": rng.random(800) < 0.4,
        "km to sea": rng.gamma(1.5, 8.0, 800).round(1),
        "breakfast": rng.choice(["none", "buffet"], 800),
    }
)
price = (
    40
    + 15 * nights["stars"] * (1 + np.exp(-nights["km to sea"] / 5))
    + 30 * (nights["pool"] & (nights["season"] == "summer"))
    + 12 * (nights["breakfast"] == "buffet")
)
encoder = make_column_transformer((OneHotEncoder(), ["season", "breakfast"]), remainder="passthrough")
forest = make_pipeline(encoder, RandomForestRegressor(30, min_samples_leaf=5, random_state=0))
forest.fit(nights, price)

# %%
# A forest is explained exactly, over the whole table and in its own columns. The
# three largest pairs, by their mean absolute value over 100 nights:
explainer = KernelShapExplainer(forest, random_state=0).fit(nights)
exp = explainer.explain_interactions(nights.head(100))
frame = exp.aggregate().to_frame()
pairs = frame[frame["feature"] != frame["feature_2"]]
print(pairs.nlargest(3, "value")[["feature", "feature_2", "value"]].round(1).to_string(index=False))
exp.plot.interaction_heatmap()

# %%
# One summer night with a pool. The values of features and pairs lead from the mean
# price to the one predicted.
night = int(np.flatnonzero(nights["pool"][:100] & (nights["season"][:100] == "summer"))[0])
InteractionNetworkDisplay.from_explanation(exp, row=night).plot()
exp.pairs_as_features().plot.waterfall(row=night)

# %%
# A network of thirteen columns is explained from 512 of the 8,192 coalitions, with an
# error for each pair. What cannot be told from 0 is dotted in one picture and pale in
# the other.
X, y = load_wine(return_X_y=True, as_frame=True)
network = make_pipeline(StandardScaler(), MLPClassifier((30,), max_iter=600, random_state=0)).fit(X, y)
explainer = KernelShapExplainer(network, outputs=1, background_size=30, random_state=0).fit(X)
exp = explainer.explain_interactions(X.iloc[[60]])
InteractionNetworkDisplay.from_explanation(exp).plot()
InteractionHeatmapDisplay.from_explanation(exp, max_features=6).plot()
plt.show()
