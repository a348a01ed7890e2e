"""
What if the patients were different?
====================================

A model predicts the progression of diabetes. What would it predict on average if
the patients were leaner, or if their blood pressure were in a range? And who would
the patients be if its mean prediction were higher?
"""

# %%
# A model and the population. The model is evaluated once, in ``fit``.
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
# Every average shifted by the same divergence, up and down. The intervals hold
# simultaneously, so the largest change may be picked out. The model does not use
# the column ``sex``; its proportions can be shifted all the same.
WhatIfRankingDisplay.from_explainer(projection).plot()

# %%
# The mean prediction against the average of ``bmi``, and the same within each group.
_, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
WhatIfCurveDisplay.from_explainer(projection, "bmi").plot(left)
WhatIfCurveDisplay.from_explainer(projection, "bmi", by="sex").plot(right)

# %%
# The mean prediction over a grid of two averages.
WhatIfMapDisplay.from_explainer(projection, "bmi", "bp").plot()

# %%
# A scenario: leaner patients, with a blood pressure in a range. What else shifts?
scenario = projection.what_if({"bmi": 25, "bp": (90, 94), "sex": {"coded 2": 0.5}})
print(scenario)
ShiftDisplay.from_explanation(scenario).plot()

# %%
# How the weight is distributed over the rows.
WeightConcentrationDisplay.from_explanation(scenario).plot()

# %%
# The inverse question: which patients would have a mean prediction of 180?
reverse = projection.what_if(prediction=180)
shifted = reverse.shifts.assign(size=reverse.shifts["shift"].abs()).nlargest(5, "size")
print(shifted[["feature", "before", "after", "shift", "low", "high"]].round(2).to_string(index=False))

plt.show()
