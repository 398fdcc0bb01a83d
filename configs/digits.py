"""Plain and residual networks on scikit-learn's handwritten digits, 8x8 pixels.

Paper: the comparison of He et al. 2015 (arXiv 1512.03385), section 4.2, on data that fits a laptop.
Command: ./launch.sh train --config=configs/digits.py:depth=56,shortcut=A --workdir=runs/digits56
Result, final epoch, train / test error, mean over three seeds, 2 CPU cores, 5 to 47 s a run:
depth 56 residual (A) 0.42 % / 1.85 %, plain 64.4 % / 63.1 %; depth 20 residual 0.13 % / 1.39 %,
plain 0.24 % / 2.04 % (experiments/results/degradation.csv).
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arguments: str | None = None) -> ConfigDict:
    """`depth` is 6n+2; `shortcut` is A, B, C or none (plain); `model` names a network instead."""
    args = common.parse_arguments(arguments, "configs/digits.py", depth=56, shortcut="A", model="")
    config = common.base()
    config.data.name = "digits"
    config.data.shift = 1
    config.model = common.network(args["model"], args["depth"], args["shortcut"])
    config.batch_size = 64
    config.epochs = 20
    config.learning_rate = 0.05
    config.schedule = "cosine:warmup_steps=100"
    config.weight_decay = 1e-4
    config.checkpoint_every = 10
    return config
