"""Methods that look into a torch network, by its gradients.

Class activation maps (Zhou et al., 2016; Selvaraju et al., 2017, and others), `CamExplainer`:

Feature maps     the result of a torch call, found by shapes and the graph: `feature_maps`. Imports torch.
Formulas         `cam_weights`, from maps and gradients of the head: `cam_pass`. Both import torch.
Tokens           a transformer's, on their grid: `token_grid`.
Score-CAM        images under their own feature maps: `channel_masks`.
Guided Grad-CAM  the product of two explanations: `cam_product`.

Extremal masks (Fong and Vedaldi, 2017; Fong, Patrick and Vedaldi, 2019), `ExtremalMaskExplainer`:

Objective        `objectives.MaskSearch`: what is minimized, `MaskSearch.loss`.
Kernel           Gaussian, on a grid of cells: `mask_search._smoothing_kernel`.
Solver           Adam, with a hard mask in the forward pass: `mask_search.learn_mask`. Imports torch.
Standard error   None: a mask is an optimum, not a mean. Whether it succeeded: `ExtremalMaskExplainer._judge`.
Fill             The image's mean color: `core.base.images`, `core.masking.fills`. Parameters `fill`, `sigma`.

Integrated gradients (Sundararajan, Taly and Yan, 2017; Erion et al., 2021), `IntegratedGradientsExplainer`:

Integrand        `paths.Paths.integrand`: the gradient along the path, times the difference of its ends.
Quadrature       `quadrature.integrate`, refined where gradients jump; `quadrature.gauss_legendre`.
Baseline         `baselines.fixed_baseline`, `baselines.own_baselines`. Parameter `baseline`.
Standard error   Of draws from data, by independent blocks: `baselines.BaselineSample`. Else none: errors of
                 the integral are details, and what its sum misses is the completeness gap.

Gradients, guided backpropagation, deconvolution (Simonyan, Vedaldi and Zisserman, 2014; Springenberg et al.,
2015; Zeiler and Fergus, 2014), `SaliencyExplainer`:

Rules            Hooks on nodes of the autograd graph, lists of operations: `backward_rules`. Imports torch.
Gates            What the graph does not show, by a forward pass in `fit`: `gates.GateFinder`. Imports torch.
SmoothGrad       `noise.Noise`, the same for all rows (Smilkov et al., 2017). Parameters `n_samples`, `noise`.
Standard error   The spread of noisy copies: `noise.RunningMoments`.

Layer-wise relevance propagation (Bach et al., 2015; Montavon et al., 2019), `LrpExplainer`:

Rules            `lrp.rules`, by the names of the papers; `lrp.composites` assigns them to operations.
Operations       A function mode hands each to its rule: `operations`, `lrp.propagation`. Imports torch.
Conservation     What biases, stabilizers and offsets absorb: `lrp.conservation`.
Standard error   None: nothing is drawn.

DeepLIFT (Shrikumar, Greenside and Kundaje, 2017), `DeepLiftExplainer`:

Rules            `deep_lift.slopes`, of values at the row and the baseline; `deep_lift.reveal_cancel`.
Operations       A function mode runs both in lockstep: `deep_lift.multipliers`, `deep_lift.tape`. All import
                 torch.
Baselines        `deep_lift.baselines`. Parameter `baseline`.
Standard error   Of several baselines, by their spread: `deep_lift.baselines.WeightedMoments`.
"""

from agnostix.neural.cam import CamExplainer
from agnostix.neural.cam_product import guided_grad_cam
from agnostix.neural.deep_lift.explainer import DeepLiftExplainer
from agnostix.neural.extremal_mask import ExtremalMaskExplainer
from agnostix.neural.integrated_gradients import IntegratedGradientsExplainer
from agnostix.neural.lrp.composites import Place
from agnostix.neural.lrp.explainer import LrpExplainer
from agnostix.neural.lrp.rules import AlphaBeta, Epsilon, Flat, Gamma, Pass, Rule, WSquare, ZBox, ZPlus
from agnostix.neural.saliency import SaliencyExplainer

__all__ = [
    "AlphaBeta",
    "CamExplainer",
    "DeepLiftExplainer",
    "Epsilon",
    "ExtremalMaskExplainer",
    "Flat",
    "Gamma",
    "IntegratedGradientsExplainer",
    "LrpExplainer",
    "Pass",
    "Place",
    "Rule",
    "SaliencyExplainer",
    "WSquare",
    "ZBox",
    "ZPlus",
    "guided_grad_cam",
]
