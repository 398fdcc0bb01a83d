"""What every recipe has: the fields of a training run, and how a file's arguments are parsed."""

from ml_collections import ConfigDict

from resnets.arguments import parse_arguments
from resnets.errors import UserError

__all__ = ["UserError", "base", "network", "parse_arguments", "residual_family"]


def base() -> ConfigDict:
    """A run's fields with neutral values; a recipe sets what its paper says."""
    return ConfigDict(
        {
            "seed": 0,  # initial values, order, augmentation, dropout
            "data": {
                # digits | cifar10 | cifar100 | synthetic:...
                "name": "synthetic:train=512,test=128",
                "train": "train",  # TFDS split expressions; empty for none
                "validation": "",
                "test": "test",
                "directory": "",  # empty: TFDS's own default, or TFDS_DATA_DIR
                "shift": 0,  # training images move by up to this many pixels
                "flip": False,  # and are mirrored half of the time
                "crop": 0,  # the network sees a square of this size; 0: the whole image
            },
            "model": {"name": "cifar_resnet20"},  # and the fields of its family
            "init_from": "",  # a safetensors file in any naming, or a run; empty for none
            "init_new_head": False,  # all but the layers that make the logits
            "batch_size": 128,  # over all devices
            "epochs": 1,
            "learning_rate": 0.1,
            # constant | piecewise | step | milestones | cosine | plateau, with arguments
            "schedule": "constant",
            "optimizer": "sgd:momentum=0.9",  # sgd | adam | adamw | muon, with arguments
            "weight_decay": 0.0,  # on every parameter: coupled; of adamw and muon decoupled
            "clip_norm": 0.0,  # 0: off
            "label_smoothing": 0.0,
            "average_decay": 0.0,  # moving average of the variables; 0: off
            "accumulation": 1,  # parts that a batch is worked off in
            "log_every": 0,  # steps between records within an epoch; 0: one record an epoch
            "eval_every": 1,  # epochs
            "checkpoint_every": 1,  # epochs; 0: at the end only
            "keep_checkpoints": 2,  # the newest ones
            "keep_best": "",  # and the best by validation_loss | validation_error_pct; empty: none
            # a loss or gradients that are not finite: stop | skip:limit=10 | rewind, with arguments
            "on_divergence": "stop",
            # norms, responses and so on by layer: doubling (epochs 1, 2, 4, ... and the last) |
            # every:epochs=1 | off (docs/diagnostics.md)
            "diagnostics": "doubling",
            "profile": 0,  # steps for TensorBoard's profile, after those that compile; 0: none
        }
    )


def network(model: str, depth: int, shortcut: str) -> ConfigDict:
    """The model section: the network `model`, or if that is empty of the family for CIFAR."""
    if model:
        return ConfigDict({"name": model, "dtype": "float32"})
    return residual_family(depth, shortcut)


def residual_family(depth: int, shortcut: str, prefix: str = "cifar_") -> ConfigDict:
    """The model section of a plain (`shortcut="none"`) or residual network of so many layers.

    `prefix` is `cifar_` for 6n+2 layers in three stages, empty for the networks of ImageNet.
    """
    arm = "plain" if shortcut == "none" else "resnet"
    return ConfigDict(
        {
            "name": f"{prefix}{arm}{depth}",
            "shortcut": shortcut,  # A | B | C | none
            "span": 2,  # layers that one shortcut skips: 1 | 2 | 3
            "residual_scale": 1.0,
            "preactivation": False,
            "activation": "relu",
            "initializer": "he_normal_fan_out",
            "bn_momentum": 0.9,
            "dtype": "float32",
            "scan_blocks": True,
        }
    )
