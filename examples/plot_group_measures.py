"""
Every measure of groups, and what hides or doubles one of them
==============================================================

A model selects women less often than men. How much of that is certain, given how many measures one looks
at? And how far is the population in which it would not show?
"""

# %%
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from agnostix import DisparateImpact, EntropicProjection, measure_fairness, stress_fairness
from agnostix.plotting import FairnessStressDisplay, GroupMeasuresDisplay, WhatIfCurveDisplay

rng = np.random.default_rng(0)
n = 1_000
sex = rng.choice(["Female", "Male"], n, p=[0.4, 0.6])
experience = rng.gamma(4.0, 3.0, n) + 2.0 * (sex == "Male")
hours = rng.normal(38.0, 6.0, n) + 3.0 * (sex == "Male")
able = (0.15 * experience + 0.08 * hours + rng.logistic(size=n) > 5.2).astype(int)
X = pd.DataFrame({"sex": sex, "experience": experience, "hours": hours})
model = LogisticRegression(max_iter=1_000).fit(X[["experience", "hours"]], able)
chance = model.predict_proba(X[["experience", "hours"]])[:, 1]
projection = EntropicProjection().fit(X, able, predictions=chance)

# %%
# Every rate of both groups, with an interval of its own (thick) and one that holds for all together (thin).
measures = measure_fairness(projection, group="sex", reference="Male")
print(measures)
GroupMeasuresDisplay.from_explanation(measures).plot()

# %%
# The closest populations in which the ratio of selection rates is another.
impact = DisparateImpact(group="sex", reference="Male")
stress = stress_fairness(projection, impact)
print(stress)
FairnessStressDisplay.from_explanation(stress).plot()

# %%
# The ratio while the mean experience of the applicants moves: it comes closer to 1 where all are selected.
curves = projection.explain(features="experience", metric=impact, simultaneous=True)
WhatIfCurveDisplay.from_explanation(curves, "experience").plot()
