"""
Medians, correlations, rates: a population in your own words
============================================================

A classifier of diabetes patients, and scenarios that averages alone cannot state.
"""

# %%
# A model and the population. The model is evaluated once, in ``fit``.
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agnostix import (
    Correlation,
    EntropicProjection,
    ErrorRate,
    Keep,
    Margins,
    Mean,
    Quantile,
    SelectionRate,
    Variance,
)
from agnostix.plotting import ShiftDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = X["sex"].map({1.0: "M", 2.0: "F"})
fast = y > 140
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X.iloc[:200, 2:], fast[:200])
projection = EntropicProjection(model).fit(X[200:], fast[200:])

# %%
# A median, a correlation, and an average in a group. What travels with the
# correlation, the means and variances, is held at the data's values and said.
scenario = projection.what_if(
    [
        Quantile("bmi", 0.5, 25),
        Correlation("bmi", "bp", 0.2),
        Mean("age", 48, where={"sex": "F"}),
    ]
)
print(scenario)
ShiftDisplay.from_explanation(scenario).plot()

# %%
# In which population is the model wrong half as often again, age and sex staying
# as they are? The columns are ranked by how far they moved.
wrong = projection.what_if([ErrorRate("*1.5"), Keep("age", "sex")])
print(wrong.shifts.sort_values("rank")[["feature", "before", "after", "rank"]].head(4).to_string(index=False))

# %%
# A wish beside a condition: the women selected at 60 %, and a wider spread of
# ``bmi`` if that costs little.
wish = projection.what_if(
    [SelectionRate(0.6, where={"sex": "F"}), Variance("bmi", "*1.5", penalty=5)], weight_bounds=(0.1, 6)
)
print(wish.conditions[["label", "before", "reached", "penalty"]].round(2).to_string(index=False))

# %%
# Raking to published margins, and to the averages of another table.
by_sex = pd.Series({"F": 510, "M": 490}).rename_axis("sex")
raked = projection.what_if([Margins(by_sex), Mean("age", "+2")])
later = projection.what_if(X[300:].drop(columns=["s5"]), divergence="chi_square")
print(*raked.notes, *later.notes, sep="\n")

plt.show()
