"""
What if the patients were different?
====================================

A model predicts the progression of diabetes. What would it say on average if
the patients were leaner, if their blood pressure lay in a range, or if the
mean prediction were higher: who would they be?
"""

# %%
# A model and the rows that it is asked about, once.
import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

from agnostix import EntropicProjection
from agnostix.plotting import (
    ShiftDisplay,
    WeightConcentrationDisplay,
    WhatIfCurveDisplay,
    WhatIfMapDisplay,
    WhatIfRankingDisplay,
)

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = X["sex"].map({1.0: "coded 1", 2.0: "coded 2"})
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
numbers = X.columns.drop("sex")
model = RandomForestRegressor(min_samples_leaf=5, random_state=0).fit(X_train[numbers], y_train)
projection = EntropicProjection(model).fit(X_test, y_test)

# %%
# Every average moved equally far, both ways. The bars hold together, so the
# largest may be picked out. The column ``sex`` is not used by the model, and
# can be moved all the same.
WhatIfRankingDisplay.from_explainer(projection).plot()

# %%
# One average through its targets, and the same within each group.
_, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
WhatIfCurveDisplay.from_explainer(projection, "bmi").plot(left)
WhatIfCurveDisplay.from_explainer(projection, "bmi", by="sex").plot(right)

# %%
# Two averages at once.
WhatIfMapDisplay.from_explainer(projection, "bmi", "bp").plot()

# %%
# A scenario: leaner patients, with a blood pressure in a range. What else moved?
scenario = projection.what_if({"bmi": 25, "bp": (90, 94), "sex": {"coded 2": 0.5}})
print(scenario)
ShiftDisplay.from_explanation(scenario).plot()

# %%
# How few rows carry it.
WeightConcentrationDisplay.from_explanation(scenario).plot()

# %%
# The other way round: which patients would have a mean prediction of 180?
reverse = projection.what_if(prediction=180)
moved = reverse.shifts.assign(size=reverse.shifts["shift"].abs()).nlargest(5, "size")
print(moved[["feature", "before", "after", "shift", "low", "high"]].round(2).to_string(index=False))

plt.show()
