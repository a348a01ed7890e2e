"""
LIME: a simple model near one row
=================================

Coefficients with intervals, and how well the simple model follows: for a
table, beside the limit of infinitely many samples; for a few rows that
represent the others; for an image and a text.
"""

# %%
# Progression of diabetes after a year, by a random forest on ten columns.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_sample_image
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from agnostix import LimeExplainer, as_predictor, submodular_pick
from agnostix.lime import KernelSampling, TiltedSampling
from agnostix.maskers import SegmentMasker, TextMasker
from agnostix.plotting import BarDisplay, SegmentsDisplay, TextDisplay, WaterfallDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
model = RandomForestRegressor(30, max_leaf_nodes=24, random_state=0).fit(X[:300], y[:300])
patients = X[300:]

# %%
# The samples are predicted once, in `fit`, and serve all rows: afterwards,
# explaining 142 patients takes 142 model rows.
explainer = LimeExplainer(model, random_state=0).fit(X[:300])
exp = explainer.explain(patients)
print(exp)
print(f"{explainer.n_model_rows_:,} model rows in fit, {exp.n_model_rows} in explain")

# %%
# One patient. The steps lead to the surrogate's prediction, the gray dot; the
# gap from there to the model's prediction is the gray bar. The title has R².
WaterfallDisplay.from_explanation(exp, row=7).plot()

# %%
# All patients: the mean absolute values.
BarDisplay.from_explanation(exp).plot()

# %%
# Most of these surrogates follow poorly: a sum of conditions, four to a column,
# is too simple for this forest. Without bins the fit is better, and a small tree
# is better still.
unbinned = KernelSampling(discretizer=None)
for settings in ({}, {"sampling": unbinned}, {"sampling": unbinned, "surrogate": "tree"}):
    other = LimeExplainer(model, random_state=0, **settings).fit(X[:300]).explain(patients)
    print(f"{settings or 'default'}: median R² {np.median(other.fidelity['r2']):.2f}")

# %%
# For a forest, the limit of infinitely many samples is known, so the intervals can
# be checked. The default kernel is so wide that all samples have nearly the same
# weight. With a narrow one few samples have any; tilted sampling samples where the
# kernel is large.
samplings = {
    "default kernel": "kernel",
    "narrow kernel": KernelSampling(width=0.8),
    "narrow, tilted": TiltedSampling(width=0.8),
}
_, axes = plt.subplots(1, 3, figsize=(10, 3.8), sharex=True, sharey=True, layout="constrained")
for ax, (name, sampling) in zip(axes, samplings.items(), strict=True):
    one = LimeExplainer(model, sampling=sampling, random_state=0).fit(X[:300])
    sampled, exact = one.explain(patients[8:9]), one.explain_exact(patients[8:9])
    positions, margin = np.arange(10)[::-1], (sampled.interval()[1] - sampled.values)[0, :, 0]
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.errorbar(sampled.values[0, :, 0], positions, xerr=margin, fmt="o", markersize=4, label="sampled, 95 %")
    ax.plot(exact.values[0, :, 0], positions, "|", color="black", markersize=12, label="exact")
    effective = f"{sampled.extras['effective_samples'].array[0]:,.0f} effective samples"
    ax.set_title(f"{name}\n{effective}, R² {sampled.fidelity['r2'][0, 0]:.2f}", fontsize=10)
axes[0].set_yticks(positions, exp.feature_names)
axes[1].set_xlabel("change of the prediction when the feature enters the patient's bin")
axes[0].legend(frameon=False, loc="center left", fontsize=8)

# %%
# A few patients whose explanations cover most of the importance (SP-LIME). Each
# bin of a column is a feature of its own; four of each patient's are plotted.
pick = submodular_pick(exp, 4, max_features=4)
print(f"patients {pick.rows.tolist()} cover {pick.coverage[-1]:.0%} of all importance")
print(pick.importance.head(6).round(1).to_string(index=False))
_, axes = plt.subplots(2, 2, figsize=(10, 5), layout="constrained")
for row, ax in enumerate(axes.flat):
    BarDisplay.from_explanation(pick.explanation, row=row, max_features=4).plot(ax)
    prediction = pick.explanation.outputs[row, 0]
    ax.set(xlim=(-60, 60), xlabel=f"patient {pick.rows[row]}: predicted {prediction:.0f}", ylabel="")

# %%
# Images: which of two photographs is a patch from? A regression on 64 colors
# learns it from patches of 40 x 40 pixels, and is applied to an image that is
# half of the one and half of the other.
china, flower = (load_sample_image(name)[::4, ::4] for name in ("china.jpg", "flower.jpg"))


def color_frequencies(images):
    """Frequency of each of 4 x 4 x 4 colors in each image."""
    codes = (np.asarray(images) // 64).astype(int) @ [16, 4, 1]
    return np.stack([np.bincount(one.ravel(), minlength=64) / one.size for one in codes])


rng = np.random.default_rng(0)
corners = rng.integers((0, 0), (china.shape[0] - 40, china.shape[1] - 40), (300, 2))
patches = [photo[i : i + 40, j : j + 40] for photo in (china, flower) for i, j in corners]
regression = LogisticRegression().fit(color_frequencies(patches), np.repeat(["china", "flower"], 300))
classifier = as_predictor(
    lambda images: regression.predict_proba(color_frequencies(images)),
    task="classification",
    output_names=["china", "flower"],
)
both = np.concatenate([china[:, 20:100], flower[:, 40:120]], axis=1)[None]

# %%
# The fill of hidden segments is part of the question. The image's mean, a gray, is
# a color of the china photograph, so nearly every segment says "flower" more than
# it does. Black is common around the flower: against it, the sky and the temple
# stand out, which speak for china.
_, axes = plt.subplots(1, 3, figsize=(13, 3.4), layout="constrained")
axes[0].imshow(both[0])
axes[0].set_axis_off()
for ax, fill, name in zip(axes[1:], ("mean", 0), ("mean gray", "black"), strict=True):
    masker = SegmentMasker("slic", n_segments=30, fill=fill)
    lime = LimeExplainer(classifier, masker=masker, outputs="flower", random_state=0).fit(both)
    segments = lime.explain(both)
    SegmentsDisplay.from_explanation(segments).plot(ax)
    ax.set_xlabel("\n".join([f"hidden segments {name}", ax.get_xlabel()]))
axes[0].set_title(f"flower with {segments.outputs[0, 0]:.0%}")

# %%
# Texts: a bag of words and pairs of words, learned from a few hotel reviews, so
# that "not" can change what follows.
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
lime = LimeExplainer(reader, masker=TextMasker(), outputs="good", random_state=0).fit(review)
words = lime.explain(review)
TextDisplay.from_explanation(words).plot()

# %%
# The same as numbers.
table = pd.DataFrame({"word": words.extras["words"].array[0], "value": words.values[0, :, 0]})
table["margin"] = (words.interval()[1] - words.values)[0, :, 0]
print(table.sort_values("value", key=np.abs, ascending=False).head(5).round(3).to_string(index=False))

plt.show()
