"""
What does a simple model near this row say?
===========================================

LIME with intervals, and with how far it may be believed: on a table, beside
the values that infinitely many draws would have; a few rows that show what
the others do; a picture and a text.
"""

# %%
# How far a disease has progressed a year on, by a forest on ten columns.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_sample_image
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from agnostix import LimeExplainer, as_predictor, submodular_pick
from agnostix.maskers import SegmentMasker, TextMasker
from agnostix.plotting import BarDisplay, SegmentsDisplay, TextDisplay, WaterfallDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
model = RandomForestRegressor(30, max_leaf_nodes=24, random_state=0).fit(X[:300], y[:300])
patients = X[300:]

# %%
# The draws are made once, in `fit`, and serve all rows: after it, explaining
# 142 patients asks the model about 142 rows.
explainer = LimeExplainer(model, random_state=0).fit(X[:300])
exp = explainer.explain(patients)
print(exp)
print(f"{explainer.n_model_rows_:,} model rows in fit, {exp.n_model_rows} in explain")

# %%
# One patient. The way ends at the answer of the surrogate, the grey dot, and
# from there a gap leads to the model's own. How far the two agree stands above.
WaterfallDisplay.from_explanation(exp, row=7).plot()

# %%
# All of them: the mean size of the values.
BarDisplay.from_explanation(exp).plot()

# %%
# Nearly all of these surrogates follow poorly: a sum of conditions, four to a
# column, is too simple for this forest. Numbers that are not cut into bins do better
# here, and a small tree better still.
for settings in ({}, {"discretizer": None}, {"discretizer": None, "surrogate": "tree"}):
    other = LimeExplainer(model, random_state=0, **settings).fit(X[:300]).explain(patients)
    print(f"{settings or 'default'}: median R² {np.median(other.fidelity['r2']):.2f}")

# %%
# A forest can be opened, so that the values which infinitely many draws would
# have are known, and the intervals can be tried on them. The usual kernel is so
# wide that it weighs all draws nearly alike. Under a narrow one few draws
# count; tilted sampling draws them where they count.
ways = {"usual kernel": {}, "narrow kernel": {"kernel_width": 0.8}}
ways["narrow, tilted"] = ways["narrow kernel"] | {"sampling": "tilted"}
_, axes = plt.subplots(1, 3, figsize=(10, 3.8), sharex=True, sharey=True, layout="constrained")
for ax, (name, settings) in zip(axes, ways.items(), strict=True):
    one = LimeExplainer(model, random_state=0, **settings).fit(X[:300])
    drawn, exact = one.explain(patients[8:9]), one.explain_exact(patients[8:9])
    places, margin = np.arange(10)[::-1], (drawn.interval()[1] - drawn.values)[0, :, 0]
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.errorbar(drawn.values[0, :, 0], places, xerr=margin, fmt="o", markersize=4, label="drawn, 95 %")
    ax.plot(exact.values[0, :, 0], places, "|", color="black", markersize=12, label="exact")
    counting = f"{drawn.extras['effective_samples'].array[0]:,.0f} draws count"
    ax.set_title(f"{name}\n{counting}, R² {drawn.fidelity['r2'][0, 0]:.2f}", fontsize=10)
axes[0].set_yticks(places, exp.feature_names)
axes[1].set_xlabel("change of the answer when the feature enters the patient's bin")
axes[0].legend(frameon=False, loc="center left", fontsize=8)

# %%
# A few patients whose explanations show together most of what matters. Each
# interval of a column counts for itself; four of each patient's are shown.
pick = submodular_pick(exp, 4, max_features=4)
print(f"patients {pick.rows.tolist()} show {pick.coverage[-1]:.0%} of all importance")
print(pick.importance.head(6).round(1).to_string(index=False))
_, axes = plt.subplots(2, 2, figsize=(10, 5), layout="constrained")
for place, ax in enumerate(axes.flat):
    BarDisplay.from_explanation(pick.explanation, row=place, max_features=4).plot(ax)
    answer = pick.explanation.outputs[place, 0]
    ax.set(xlim=(-60, 60), xlabel=f"patient {pick.rows[place]}: the model says {answer:.0f}", ylabel="")

# %%
# Pictures: from which of two photographs is a piece? A regression on 64
# colours learns it from pieces of 40 x 40 pixels, and is asked about a picture
# that is half of the one and half of the other.
china, flower = (load_sample_image(name)[::4, ::4] for name in ("china.jpg", "flower.jpg"))


def colours(pictures):
    """How often each of 4 x 4 x 4 colours is in each picture."""
    codes = (np.asarray(pictures) // 64).astype(int) @ [16, 4, 1]
    return np.stack([np.bincount(one.ravel(), minlength=64) / one.size for one in codes])


rng = np.random.default_rng(0)
corners = rng.integers((0, 0), (china.shape[0] - 40, china.shape[1] - 40), (300, 2))
pieces = [photo[i : i + 40, j : j + 40] for photo in (china, flower) for i, j in corners]
teller = LogisticRegression().fit(colours(pieces), np.repeat(["china", "flower"], 300))
tells = as_predictor(
    lambda pictures: teller.predict_proba(colours(pictures)),
    task="classification",
    output_names=["china", "flower"],
)
both = np.concatenate([china[:, 20:100], flower[:, 40:120]], axis=1)[None]

# %%
# What stands in for hidden segments is part of the question. The picture's mean,
# a grey, is a colour of the china photograph, so that nearly every segment says
# "flower" more than it does. Black is common around the flower: beside it what
# stands out is the sky and the temple, which speak for china.
_, axes = plt.subplots(1, 3, figsize=(13, 3.4), layout="constrained")
axes[0].imshow(both[0])
axes[0].set_axis_off()
for ax, fill, said in zip(axes[1:], ("mean", 0), ("mean grey", "black"), strict=True):
    masker = SegmentMasker("slic", n_segments=30, fill=fill)
    seen = LimeExplainer(tells, masker=masker, outputs="flower", random_state=0).fit(both).explain(both)
    SegmentsDisplay.from_explanation(seen).plot(ax)
    ax.set_xlabel("\n".join([f"hidden segments {said}", ax.get_xlabel()]))
axes[0].set_title(f"flower with {seen.outputs[0, 0]:.0%}")

# %%
# Texts: a bag of words learned from a few reviews of a hotel, with pairs of
# words, so that "not" can change what follows.
good = [
    "clean room and friendly staff",
    "the bed was great and the view lovely",
    "not expensive and really good",
    "lovely breakfast, we will come again",
    "quiet, clean, and not far from the sea",
    "friendly people and good coffee",
]
bad = [
    "dirty room and rude staff",
    "the bed was hard and the view ugly",
    "expensive and really not good",
    "cold breakfast, we will not come again",
    "loud, dirty, and far from the sea",
    "rude people and not friendly",
]
reader = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=30))
reader.fit(good + bad, ["good"] * 6 + ["bad"] * 6)
review = ["The staff was not friendly and the breakfast not good, but the view is lovely and the bed great."]
told = LimeExplainer(reader, masker=TextMasker(), outputs="good", random_state=0).fit(review).explain(review)
TextDisplay.from_explanation(told).plot()

# %%
# The same as numbers.
words = pd.DataFrame({"word": told.extras["words"].array[0], "value": told.values[0, :, 0]})
words["margin"] = (told.interval()[1] - told.values)[0, :, 0]
print(words.sort_values("value", key=np.abs, ascending=False).head(5).round(3).to_string(index=False))

plt.show()
