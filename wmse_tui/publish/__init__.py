"""Publishing a run elsewhere: processes that follow its log for TensorBoard, W&B, MLflow or CSV tables.

The trainer knows nothing of them: a service that is slow, full or absent costs the run nothing.
"""
