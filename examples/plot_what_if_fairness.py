"""
In which population would this model be fair?
=============================================

A model selects applicants. Women are selected less often than men. In which
population, closest to the data, would their ratio be four fifths, and how far is that
from the applicants that there are?
"""

# %%
# Applicants and a model that never sees the column ``sex``: it takes experience and
# hours, which go with it.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from agnostix import (
    DisparateImpact,
    EntropicProjection,
    EqualizedOdds,
    EqualOpportunity,
    Mean,
    SelectionRate,
)
from agnostix.plotting import ShiftDisplay


def draw_applicants(n_rows, rng):
    """Columns and whether the applicant turned out to be suited."""
    woman = rng.random(n_rows) < 0.42
    age = rng.gamma(9.0, 2.6, n_rows) + 20.0
    experience = np.clip(0.6 * (age - 20.0) - 3.5 * woman + rng.normal(0.0, 3.0, n_rows), 0.0, None)
    hours = np.clip(rng.normal(39.0, 6.0, n_rows) - 4.0 * woman, 10.0, 60.0)
    branch = rng.choice(["office", "shop", "plant"], n_rows, p=[0.5, 0.3, 0.2])
    X = pd.DataFrame(
        {
            "sex": np.where(woman, "Female", "Male"),
            "age": age.round(),
            "experience": experience.round(1),
            "hours": hours.round(),
            "branch": branch,
        }
    )
    log_odds = 0.22 * (experience - 12.0) + 0.06 * (hours - 38.0)
    suited = rng.random(n_rows) < 1.0 / (1.0 + np.exp(-log_odds))
    return X, pd.Series(np.where(suited, "suited", "unsuited"), name="outcome")


rng = np.random.default_rng(0)
columns = ["experience", "hours"]
X, y = draw_applicants(3_000, rng)
model = LogisticRegression().fit(X[columns], y)
X, y = draw_applicants(2_000, rng)
projection = EntropicProjection(model).fit(X, y)

# %%
# Four fifths, the shares of the sexes left free. ``searched`` names what the conditions
# are linear given, and ``ess`` says that hardly any information is lost: a sample of
# 2,000 applicants drawn with these weights would be hard to tell from the data.
impact = {"group": "sex", "reference": "Male", "favorable": "suited"}
scenario = projection.what_if([DisparateImpact(0.8, **impact)])
print(scenario.conditions[["label", "before", "reached"]])
print(scenario.searched)
print(f"{scenario.kl:.3f} nats, {scenario.ess:.0f} effective rows of {scenario.n_rows}")
ShiftDisplay.from_explanation(scenario).plot()

# %%
# Who weighs more? The columns' averages hardly move, since they say little of who is
# selected; within the sexes the weights do.
selected = pd.Series(model.predict(X[columns])).map({"suited": "selected", "unsuited": "not selected"})
mean_weight = pd.Series(scenario.weights).groupby([X["sex"], selected]).mean().unstack()
print(mean_weight.round(2))

# %%
# The price of each ratio, and with what the model uses kept besides: the mean experience
# and hours of women and of men. It is higher, since what is selected depends on them.
targets = np.linspace(0.3, 1.2, 19)
price = [projection.what_if([DisparateImpact(t, **impact)]).kl for t in targets]
same = [Mean(name, "*1", where={"sex": sex}) for name in columns for sex in ("Female", "Male")]
kept = [projection.what_if([DisparateImpact(t, **impact), *same]).kl for t in targets]
before = scenario.conditions["before"][0]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
left.plot(targets, price, label="closest population")
left.plot(targets, kept, "--", label="experience and hours of each sex kept")
left.plot([before, 0.8], [0.0, scenario.kl], "o", color="black", zorder=3)
left.annotate("data", (before, 0.0), (0, 8), textcoords="offset points", ha="center")
left.annotate("four fifths", (0.8, scenario.kl), (8, -6), textcoords="offset points")
left.set(xlabel="disparate impact", ylabel="divergence from the data, nats", ylim=(-0.002, None))
left.legend(frameon=False, loc="upper left")
mean_weight.plot.bar(ax=right, rot=0, width=0.6)
right.axhline(1.0, color="black", linewidth=0.8)
right.set(xlabel="", ylabel="mean weight at four fifths")
right.legend(frameon=False, title=None)

# %%
# What is searched: once the men's selection rate is stated, the problem is linear. The
# divergence as a function of that rate has its least where the search ended.
rates = np.linspace(0.40, 0.75, 15)
stated = [
    projection.what_if(
        [DisparateImpact(0.8, **impact), SelectionRate(c, positive="suited", where={"sex": "Male"})]
    ).kl
    for c in rates
]
_, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
axes.plot(rates, stated)
axes.plot(scenario.searched["value"], scenario.kl, "o", color="black")
axes.set(xlabel="selection rate of men, stated", ylabel="divergence, nats")

# %%
# True positive rates alone, and both rates at once. The true outcome is needed.
odds = EqualizedOdds((0.0, 0.02), **impact)
for constraint in (EqualOpportunity(0.0, **impact), odds):
    found = projection.what_if([constraint])
    print(f"{constraint.label}: {found.kl:.3f} nats, {found.ess:.0f} effective rows, {found.status}")
plt.show()
