"""What a run can be given anew when it is resumed: where and by what it is trained. It changes no number.

Apart from the schema, whose import the list of runs does without.
"""

REBINDABLE = (
    "dataset.root",
    "dataset.probe_train",
    "dataset.probe_test",
    "dataset.download",
    "dataset.on_damaged",
    "dataset.damaged_limit",
    "evaluation.batch_size",
    "compute.device",
    "compute.devices",
    "compute.workers",
)
