"""What a metric hides together: columns of tables, pixels or segments of pictures, words of texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.background import RepresentativeSample
from agnostix.core.base import BackgroundExplainer
from agnostix.core.explanation import Detail, Explanation
from agnostix.core.frames import as_table, column_names, is_frame
from agnostix.core.masking import (
    BackgroundSubset,
    Features,
    MaskedRows,
    TabularMasker,
    TextMasker,
    fill_subsets,
)
from agnostix.core.masking.fills import ImageFill, as_pixels
from agnostix.core.masking.masker import MaskerConstraint
from agnostix.core.masking.segments import MaskedPictures
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Units:
    """Rows and what is hidden of them, one unit or several at a time."""

    kind: str  # "column", "pixel", "segment" or "word"
    rows: MaskedRows
    masker: Any  # gives `draws` and `merges`; of pictures a `PictureFills`
    fill: str  # what replaces hidden units, in words

    @property
    def n_units(self) -> int:
        """Units of the row that has most."""
        return int(self.present.shape[1])

    @property
    def present(self) -> Bools:
        """Units that each row has, (n_rows, n_units)."""
        return self.rows.present


@dataclass(frozen=True)
class PictureFills:
    """Fills of pictures with their weights, in the role of a masker."""

    weights: Floats
    merges: bool = False

    def draws(self, masks: Bools) -> list[BackgroundSubset]:
        """All fills of each mask (n_masks, n_units) that hides anything."""
        return fill_subsets(masks, self.weights)


def make_units(
    X: Any, explanation: Explanation, masker: Any, fill: Any, by: str, random_state: int = 0
) -> Units:
    """Units that an explanation has values of; `masker` is one, or the background rows of a table."""
    kind = kind_of(explanation)
    if kind == "pixel":
        return pixel_units(X, explanation, masker, fill, by, random_state)
    if kind == "word":
        return _word_units(X, explanation, masker, fill, by)
    if kind == "segment":
        return _segment_units(X, explanation, masker, fill, by, random_state)
    return _column_units(X, explanation, masker, fill, by)


def kind_of(explanation: Explanation) -> str:
    """What an explanation has values of: "column", "pixel", "segment" or "word"."""
    if "y" in explanation.dims:
        return "pixel"
    extras = explanation.extras
    return "word" if "words" in extras else "segment" if "segments" in extras else "column"


def plain_rows(X: Any, explanation: Explanation) -> Any:
    """Rows as the model gets them: a table, pictures or an array of texts."""
    kind = kind_of(explanation)
    if kind == "word":
        return TextMasker().read(X).unmasked
    return as_table(X) if kind == "column" else as_pixels(X)


def pixel_units(X: Any, explanation: Explanation, masker: Any, fill: Any, by: str, seed: int) -> Units:
    """Each pixel by itself, with all of its channels."""
    if masker is not None:
        raise DataError(
            f"The 'masker' of {by} must be None for maps with a value for each pixel, got "
            f"{type(masker).__name__}. Pass fill, such as fill='blur'."
        )
    pixels = as_pixels(X)
    shape = tuple(explanation.values.shape[explanation.dims.index(dim)] for dim in ("y", "x"))
    if pixels.shape[1:3] != shape:
        raise DataError(
            f"The explanation has maps of {shape[0]} x {shape[1]} pixels, and X has pictures of "
            f"{pixels.shape[1]} x {pixels.shape[2]}. Pass the pictures that were explained."
        )
    labels = np.arange(shape[0] * shape[1]).reshape(1, *shape)
    return _picture_units("pixel", pixels, labels, fill, by, seed)


def _segment_units(X: Any, explanation: Explanation, masker: Any, fill: Any, by: str, seed: int) -> Units:
    segments = explanation.extras["segments"]
    assert isinstance(segments, Detail)
    if masker is not None:
        _check_masker(masker, by)
        rows = masker.read(X)
        given = getattr(rows, "labels", None)
        if given is None or not np.array_equal(np.broadcast_to(given, segments.array.shape), segments.array):
            raise DataError(
                f"The 'masker' of {by} cuts pictures into other segments than those that the explanation has "
                "values of. Pass the explainer's masker, or masker=None and a fill."
            )
        return Units("segment", rows, masker, describe_fill(getattr(masker, "fill", "fill")))
    pixels = as_pixels(X)
    if pixels.shape[:3] != segments.array.shape:
        raise DataError(
            f"The explanation has segments of shape {segments.array.shape}, and X has pictures of shape "
            f"{pixels.shape}. Pass the pictures that were explained."
        )
    return _picture_units("segment", pixels, segments.array, fill, by, seed)


def _picture_units(kind: str, pixels: Any, labels: Codes, fill: Any, by: str, seed: int) -> Units:
    fill = "mean" if fill is None else fill
    if kind == "pixel" and isinstance(fill, str) and fill in ("inpaint", "segment_mean"):
        remedy = "road hides pixels behind their neighbors. " if fill == "inpaint" else ""
        raise DataError(
            f"The 'fill' of {by} must be 'mean', 'blur', 'noise', a number, one number for each channel, an "
            f"array of pictures, or a function for single pixels, got {fill!r}. {remedy}Use fill='blur'."
        )
    if callable(fill):
        fills, weights = _own_fills(fill, pixels, by)[:, None], np.ones(1)
    else:
        image_fill = ImageFill(fill, random_state=seed, owner=by)
        fills = image_fill.compute(pixels, np.zeros_like(labels[:1]) if kind == "pixel" else labels)
        weights = image_fill.weights
    rows = MaskedPictures(pixels, labels, fills, weights.size, None)
    return Units(kind, rows, PictureFills(weights), describe_fill(fill))


def _own_fills(fill: Callable[[Any], Any], pixels: Any, by: str) -> Any:
    """Fills (n_rows, ...) that a function makes of the pictures."""
    fills = np.asarray(fill(pixels.copy()))
    if fills.shape != pixels.shape or fills.dtype.kind not in "biuf" or not np.isfinite(fills).all():
        raise DataError(
            f"The function 'fill' of {by} must return finite pictures of the shape {pixels.shape} that it "
            f"gets, got {fills.dtype} of shape {fills.shape}."
        )
    return fills.astype(pixels.dtype, copy=False)


def _word_units(X: Any, explanation: Explanation, masker: Any, fill: Any, by: str) -> Units:
    _check_no_fill(fill, by, "texts: TextMasker(mask_token=) says what replaces words")
    masker = TextMasker() if masker is None else masker
    _check_masker(masker, by)
    rows = masker.read(X)
    words, own = explanation.extras["words"], getattr(rows, "words", None)
    known = np.asarray(words.array).astype(str)
    if own is None or own.shape != known.shape or (own != known).any():
        raise DataError(
            f"The 'masker' of {by} splits the texts into other words than those that the explanation has "
            "values of. Pass the explainer's masker, and the texts that were explained."
        )
    token = getattr(masker, "mask_token", None)
    return Units("word", rows, masker, f"words replaced by {token!r}" if token else "words removed")


def _column_units(X: Any, explanation: Explanation, masker: Any, fill: Any, by: str) -> Units:
    _check_no_fill(fill, by, "tables: pass background rows as masker")
    if masker is None:
        raise DataError(
            f"{by} hides columns behind the values of background rows, and none were given. Pass them as "
            "masker, such as masker=X_train[:100]; a single row is a baseline."
        )
    if not MaskerConstraint().is_satisfied_by(masker):
        masker = background_masker(masker, explanation)
    rows = masker.read(X)
    if rows.features.names != explanation.feature_names:
        n = len(explanation.feature_names)
        raise DataError(
            f"The explanation has {n} features ({_listed(explanation.feature_names)}), and what {by} hides "
            f"are {len(rows.features.names)} ({_listed(rows.features.names)}). Pass all features that were "
            "explained, and the explainer's masker or background."
        )
    n_rows = len(np.atleast_1d(masker.weights))
    return Units("column", rows, masker, f"{n_rows} background row{'s' * (n_rows != 1)}")


def background_masker(background: Any, explanation: Explanation) -> TabularMasker:
    """Background rows, with the weights of a sample or explainer; columns grouped as for the explanation."""
    weights = None
    if isinstance(background, BackgroundExplainer):
        background, weights = background.background_, background.background_weights_
    elif isinstance(background, RepresentativeSample):
        background, weights = background.rows, background.weights
    table = as_table(background)
    groups = explanation.params.get("feature_groups")
    features = Features.from_names(column_names(table), groups)
    if weights is None:
        weights = np.full(table.shape[0], 1.0 / table.shape[0])
    return TabularMasker(table, weights, features)


def _check_masker(masker: Any, by: str) -> None:
    if not MaskerConstraint().is_satisfied_by(masker):
        raise DataError(
            f"The 'masker' of {by} must be {MaskerConstraint()}, for rows that are no tables; got "
            f"{type(masker).__name__}."
        )


def _check_no_fill(fill: Any, by: str, remedy: str) -> None:
    if fill is not None:
        raise DataError(f"The 'fill' of {by} must be None for {remedy}; got {describe_fill(fill)}.")


def describe_fill(fill: Any) -> str:
    """What replaces hidden pixels or segments, in words."""
    if isinstance(fill, str):
        return fill
    if callable(fill):
        return str(getattr(fill, "__name__", fill))
    size = np.shape(fill)
    if len(size) > 2:
        return f"{size[0]} picture{'s' * (size[0] != 1)}"
    return str(np.asarray(fill).tolist())


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def is_table(X: Any) -> bool:
    """Whether rows are a table, not pictures or texts."""
    return is_frame(X) or getattr(X, "ndim", 0) == 2
