"""
Why does the model predict something else this month?
=====================================================

A bank's model approves loans. This month it approves fewer of them, and its errors
grow. Which columns explain the gap, and how much of it do none of them explain?
"""

# %%
# Last year's applicants, and this month's: younger, more of them from the city, and
# where they live goes with their income now. Besides, prices have risen: with the same
# income fewer can pay back, which no column shows.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from agnostix import EntropicProjection, explain_gap
from agnostix.plotting import GapDisplay


def draw_applicants(n_rows, rng, this_month=False):
    """Columns and whether the loan was paid back."""
    city = rng.random(n_rows) < (0.55 if this_month else 0.35)
    age = rng.gamma(9.0, 4.2 if this_month else 4.8, n_rows) + 18.0
    income = rng.gamma(6.0, 6.0, n_rows) + 0.3 * age + (8.0 * city if this_month else 0.0)
    X = pd.DataFrame(
        {
            "age": age.round(),
            "income": income.round(1),
            "rent": rng.gamma(4.0, 0.25, n_rows).round(2) * (1.0 + 0.6 * city),
            "region": pd.Categorical(np.where(city, "city", rng.choice(["coast", "hills"], n_rows))),
        }
    )
    log_odds = 0.06 * (income - 48.0) - 1.4 * (X["rent"] - 1.1) + 0.02 * (age - 58.0)
    pays = rng.random(n_rows) < 1.0 / (1.0 + np.exp(-log_odds - 0.4 + 0.7 * this_month))
    return X, pd.Series(np.where(pays, "paid", "default"), name="outcome")


rng = np.random.default_rng(0)
model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(*draw_applicants(6_000, rng))
last_year = EntropicProjection(model).fit(*draw_applicants(3_000, rng))
this_month = EntropicProjection(model).fit(*draw_applicants(2_000, rng, this_month=True))

# %%
# The mean predicted probability of paying back. Each bar is a column's margin, in the
# order of its size; "dependence" is what columns do together.
gap = explain_gap(last_year, this_month)
print(gap)
GapDisplay.from_explanation(gap).plot()

# %%
# The error rate. Columns explain little of it; the conditional part is what changed
# for applicants who look the same.
errors = explain_gap(last_year, this_month, metric="error_rate")
print(errors)
GapDisplay.from_explanation(errors).plot(factor=100, suffix=" %")

# %%
# With deciles of each number matched, not only means, less is left for dependence.
deciles = explain_gap(last_year, this_month, match="deciles")
print(deciles.frame[["part", "value", "low", "high"]].round(4).to_string(index=False))

# %%
# What was matched, and how far every statistic moved.
print(gap.statistics.round(2).to_string(index=False))

# %%
# One group alone: how often does the model approve applicants from the city?
rate = explain_gap(last_year, this_month, metric="selection_rate", positive="paid", where={"region": "city"})
print(rate)

plt.show()
