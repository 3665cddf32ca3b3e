"""What each number of a diagnostics sample means, what it should be, and what to do when it is bad.

The only home of these texts: the Whitening panel shows them, the reference prints them (docs/reference.md),
titles of charts and reports are taken from here. Formulas and sources are in docs/methods.md; the bounds are
those of the verdict, and so are the remedies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wmse_tui.runs.state import remedies
from wmse_tui.runs.state.config import ConfigSummary
from wmse_tui.runs.state.verdict import (
    CORRELATED,
    ILL_CONDITIONED,
    LOW_RANK,
    ONE_DIMENSION,
    ONE_POINT,
    SMALL_PIVOT,
)
from wmse_tui.runs.text.units import number

Remedy: TypeAlias = Literal["dimensions", "views", "white", ""]
NULL_NAMES: Mapping[str, str] = {
    "noise": "isotropic noise",
    "even": "evenly spread",
    "unrelated": "unrelated views",
    "chance": "chance",
}
"""What a number is compared with: the short name, and the long one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticNote:
    """One number of a diagnostics sample.

    Attributes:
        name: its field in `Diagnostics`.
        title, label: its name, and a short one of 16 characters at most.
        unit: of its values; "" where it has none.
        meaning: a sentence or two.
        expected: its null, or what a healthy run shows.
        bad: which values are bad, and what they say.
        remedy: which of the remedies helps; "": there is nothing to remedy.
        null: a key of NULL_NAMES: what its null is the value of.
    """

    name: str
    title: str
    label: str
    unit: str = ""
    meaning: str
    expected: str
    bad: str
    remedy: Remedy = "dimensions"
    null: str = "noise"

    def tries(self, about: ConfigSummary, dim: int) -> tuple[str, ...]:
        """What to try when it is bad, in a run of this configuration with `dim` dimensions."""
        match self.remedy:
            case "dimensions":
                return remedies.against_lost_dimensions(about, dim)
            case "views":
                return remedies.VIEWS_APART
            case "white":
                return remedies.NOT_WHITE
            case _:
                return ()


_NOTES = (
    DiagnosticNote(
        name="effective_rank",
        title="Effective rank",
        label="effective rank",
        unit="dimensions",
        meaning="How many dimensions the embeddings use: all where the eigenvalues of their covariance are "
        "equal, 1 where they lie on a line.",
        expected="Near that of noise under a whitening loss. It dips in the first epochs, to 0.4 of its "
        "best, and comes back. The encoder uses far fewer dimensions than it has.",
        bad=f"Below {number(LOW_RANK)} of that of noise, at {number(ONE_DIMENSION)} and less, or falling "
        "while the loss stays: dimensions are lost.",
    ),
    DiagnosticNote(
        name="condition_number",
        title="Condition number",
        label="condition number",
        meaning="The largest eigenvalue over the smallest, in the slices that are whitened: how much "
        "whitening magnifies the smallest direction, and its rounding.",
        expected="That of noise in as many images; up to 740 times that in healthy runs.",
        bad=f"From {number(ILL_CONDITIONED)} times that of noise on a direction is nearly lost, and a "
        "slice may soon have no factor.",
    ),
    DiagnosticNote(
        name="smallest_pivot",
        title="Smallest pivot",
        label="smallest pivot",
        unit="of the largest",
        meaning="The smallest diagonal entry of the Cholesky factors against the largest, in the worst "
        "slice. At 0 a slice has no inverse, and the run stops.",
        expected="Above 0.0015 in healthy runs of W-MSE. None where the loss factorises nothing.",
        bad=f"Below {number(SMALL_PIVOT)}; in float32 the factorisation fails near 1e-6.",
    ),
    DiagnosticNote(
        name="feature_std",
        title="Feature standard deviation",
        label="feature std",
        meaning="How far the directions of the embeddings spread: the deviation of unit vectors, times the "
        "root of their dimension.",
        expected="1 where they are evenly spread, 0 where they are all one point.",
        bad=f"Below {number(ONE_POINT)}: the embeddings of all images are nearly the same.",
        null="even",
    ),
    DiagnosticNote(
        name="mean_correlation",
        title="Mean correlation",
        label="mean correlation",
        meaning="The mean absolute correlation of two dimensions: how much they repeat each other.",
        expected="Little more than noise under a whitening loss; up to 0.45 in healthy runs.",
        bad=f"Above {number(CORRELATED)}: most dimensions say the same.",
    ),
    DiagnosticNote(
        name="rankme",
        title="RankMe",
        label="RankMe",
        unit="dimensions",
        meaning="The effective rank of the embeddings as they are, not centred, from their singular values. "
        "Across runs of one method it rises with the accuracy of probes.",
        expected="Near that of noise under a whitening loss; compare it between runs.",
        bad="Far below the effective rank: a mean that all images share outweighs their differences.",
    ),
    DiagnosticNote(
        name="participation_ratio",
        title="Participation ratio",
        label="participation",
        unit="dimensions",
        meaning="A count of dimensions that weighs the largest eigenvalues more than the effective rank "
        "does.",
        expected="Near that of noise under a whitening loss.",
        bad="Far below the effective rank: a few directions hold most of the variance.",
    ),
    DiagnosticNote(
        name="stable_rank",
        title="Stable rank",
        label="stable rank",
        unit="dimensions",
        meaning="The whole variance over that of the largest direction.",
        expected="Near that of noise under a whitening loss.",
        bad="Near 1: one direction holds nearly all of the variance.",
    ),
    DiagnosticNote(
        name="anisotropy",
        title="Anisotropy",
        label="anisotropy",
        meaning="The share of the largest direction in all that the embeddings hold, their mean included.",
        expected="Near that of noise under a whitening loss.",
        bad="Near 1: the embeddings differ little from one common direction.",
    ),
    DiagnosticNote(
        name="alpha",
        title="Alpha of the spectrum",
        label="alpha",
        meaning="How fast the eigenvalues fall: the exponent of their power law.",
        expected="Near that of noise for white embeddings; near 1 for features that generalise well, by "
        "Agrawal et al. 2022.",
        bad="Far above 1 in the encoder: few directions matter. Far below 1: noise fills the rest.",
    ),
    DiagnosticNote(
        name="standard_deviation",
        title="Standard deviation",
        label="deviation",
        meaning="The scale of the embeddings as they are. A whitening loss does not depend on it.",
        expected="Any value that stays; an absolute eps weighs more where it is small.",
        bad="Falling to 0 or growing without end: the numbers leave the range of the precision.",
    ),
    DiagnosticNote(
        name="whiteness_error",
        title="Whiteness error",
        label="whiteness error",
        meaning="How far the covariance of what was whitened is from the identity.",
        expected="0 for Cholesky and ZCA; that of noise where running statistics whiten; above it where eps "
        "shrinks or few Newton steps are made.",
        bad="Near 1: what should be white is not.",
        remedy="white",
    ),
    DiagnosticNote(
        name="alignment",
        title="Alignment",
        label="alignment",
        meaning="The mean squared distance of two views of an image, as unit vectors: what the loss pulls "
        "together.",
        expected="2 for unrelated views; it falls as the loss falls.",
        bad="Near 2 after many steps: views of an image are not recognised as such.",
        remedy="views",
        null="unrelated",
    ),
    DiagnosticNote(
        name="uniformity",
        title="Uniformity",
        label="uniformity",
        meaning="How evenly the directions of different images fill the sphere; lower is more even.",
        expected="That of evenly spread directions, near -4.",
        bad="Near 0: all images are close to one point.",
        null="even",
    ),
    DiagnosticNote(
        name="contrastive_accuracy",
        title="Contrastive accuracy",
        label="contrastive acc.",
        unit="fraction",
        meaning="The share of views whose nearest view of another kind is one of their own image.",
        expected="From chance towards 1 as the loss falls.",
        bad="Near chance after many steps: the embeddings do not tell images apart.",
        remedy="views",
        null="chance",
    ),
    DiagnosticNote(
        name="lidar",
        title="LiDAR",
        label="LiDAR",
        unit="dimensions",
        meaning="How many dimensions tell images apart more than views of one image: a rank that ignores "
        "what augmentation changes. Computed where evaluation.lidar_images is set.",
        expected="Above that of noise; compare it between runs.",
        bad="Near that of noise: dimensions hold what augmentation changes, not what an image shows.",
        remedy="views",
    ),
)
DIAGNOSTIC_NOTES: Mapping[str, DiagnosticNote] = {note.name: note for note in _NOTES}
"""The numbers of a diagnostics sample by name, in the order in which they are shown."""
