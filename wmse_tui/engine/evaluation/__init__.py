"""The quality of an encoder: features, nearest neighbours, linear probes."""

from .batch_norm import calibrated_batch_norm
from .features import extract_features
from .interruption import EvaluationInterrupted
from .knn import knn_accuracy, knn_predict
from .linear import LinearAccuracy, linear_accuracy
from .probes import evaluate

__all__ = [
    "EvaluationInterrupted",
    "LinearAccuracy",
    "calibrated_batch_norm",
    "evaluate",
    "extract_features",
    "knn_accuracy",
    "knn_predict",
    "linear_accuracy",
]
