"""
Can this explanation be trusted?
================================

Metrics hide what an explanation calls relevant and look at the prediction. First a
table of tumors, where two explainers cannot be told apart; then digits, whose maps
are ranked by several fills, by ROAD, and by how much is left of a prediction under them.
"""

# %%
# A boosted classifier of 569 tumors, and three explanations of forty of them.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import nn

from agnostix import (
    CamExplainer,
    KernelShapExplainer,
    LimeExplainer,
    OcclusionExplainer,
    RiseExplainer,
    SaliencyExplainer,
    as_predictor,
)
from agnostix.metrics import (
    average_drop,
    average_gain,
    average_increase,
    deletion,
    insertion,
    rank_by_fill,
    road,
)

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
train, rows, background = X[:400], X[400:440], X[:400:8]
model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(
    train, np.where(y, "benign", "malignant")[:400]
)
explainers = {
    "Shapley values": KernelShapExplainer(model, background_size=20, outputs="malignant", random_state=0),
    "occlusion": OcclusionExplainer(model, outputs="malignant", random_state=0),
    "LIME": LimeExplainer(model, n_samples=1000, outputs="malignant", random_state=0),
}
explanations = {name: explainer.fit(train).explain(rows) for name, explainer in explainers.items()}

# %%
# Deletion hides columns behind the values of other tumors, the most relevant first.
# The faster the probability falls, the better: compared with random orders of the
# same columns, and with the least relevant ones first.
results = {name: deletion(model, rows, exp, masker=background) for name, exp in explanations.items()}
results["Shapley values"].plot()
for name, result in results.items():
    low, high = result.against("random").interval()
    print(f"{name:15} {result.score:.3f}, better than random orders by {low:.3f} to {high:.3f}")

# %%
# Which explainer is better? Differences are taken row by row, so that most of the
# variation between rows drops out of their interval.
for name in ("occlusion", "LIME"):
    low, high = results[name].difference(results["Shapley values"]).interval()
    verdict = "cannot be told apart" if low <= 0 <= high else "worse" if low > 0 else "better"
    print(f"{name} less Shapley values: {low:.4f} to {high:.4f}, {verdict}")

# %%
# Digits of 8 x 8 pixels, a small convolutional network, and maps of what it sees.
digits, labels = load_digits(return_X_y=True)
digits = (digits / 16.0).reshape(-1, 8, 8).astype("float32")
torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
    *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
)
optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
inputs, targets = torch.tensor(digits[:1500])[:, None], torch.tensor(labels[:1500])
for _ in range(25):
    for batch in torch.randperm(1500).split(64):
        loss = nn.functional.cross_entropy(network(inputs[batch]), targets[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
predictor = as_predictor(network, output_names=[str(digit) for digit in range(10)])
test = digits[1500:1532]
print(f"{np.mean(predictor.predict(digits[1500:]).argmax(axis=1) == labels[1500:]):.1%} right")

maps = {
    "Grad-CAM": CamExplainer(predictor, outputs="predicted"),
    "gradient": SaliencyExplainer(predictor, outputs="predicted"),
    "RISE": RiseExplainer(predictor, n_masks=1000, fill=0, outputs="predicted", random_state=0),
}
maps = {name: explainer.fit(test).explain(test) for name, explainer in maps.items()}

# %%
# Hidden pixels have to be replaced by something. Behind zeros, which is paper here,
# a digit loses ink; a blurred digit is still a digit; and ROAD interpolates pixels from
# those around them. The results store what it was.
table = {
    name: {
        "deletion": deletion(predictor, test, exp),
        "insertion": insertion(predictor, test, exp),
        "ROAD": road(predictor, test, exp),
    }
    for name, exp in maps.items()
}
print(pd.DataFrame({name: {key: r.score for key, r in own.items()} for name, own in table.items()}).round(3))

_, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
table["RISE"]["deletion"].plot(axes[0])
table["RISE"]["ROAD"].plot(axes[1])

# %%
# Does the ranking change with the fill, by more than the intervals allow?
print(rank_by_fill(deletion, predictor, test, maps, fills=[0.0, "mean", "blur"]))

# %%
# Seen through the map, how much of its probability does a digit keep or gain? How a map
# becomes a mask matters as much as the map: the positive part over its maximum, or from
# minimum to maximum.
print(
    pd.DataFrame(
        {
            f"{name}, {mask}": {
                metric.__name__: metric(predictor, test, exp, mask=mask).score
                for metric in (average_drop, average_gain, average_increase)
            }
            for name, exp in maps.items()
            for mask in ("relu-max", "min-max")
        }
    ).T.round(3)
)

# %%
# One digit alone has no interval over rows. The result says so.
print(deletion(predictor, test[:1], maps["RISE"][:1]))

plt.show()
