"""Plain and residual networks on CIFAR-10 and CIFAR-100 with the recipe of the paper.

Paper: He et al. 2015 (arXiv 1512.03385), section 4.2: SGD 0.9, batch 128, weight decay 1e-4,
rate 0.1 divided by 10 at 32k and 48k of 64k iterations, pad 4 and crop, flip. From 110 layers on
the rate is 0.01 for the first 400 iterations.
Command: ./launch.sh train --config=configs/cifar.py:depth=56,shortcut=A --workdir=runs/cifar56
Published test error on CIFAR-10 (table 6): 8.75 % at 20 layers, 6.97 % at 56, 6.43 % at 110 (best
of 5), 7.93 % at 1202; figure 6 shows plain networks getting worse from 20 to 56 layers.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arguments: str | None = None) -> ConfigDict:
    """`depth` is 6n+2; `shortcut` is A, B, C or none (plain); `classes` is 10 or 100.

    `model` names a network in place of depth and shortcut, as in `model=densenet_bc100_12`.
    """
    args = common.parse_arguments(
        arguments, "configs/cifar.py", depth=20, shortcut="A", classes=10, model=""
    )
    if args["classes"] not in (10, 100):
        raise common.UserError(f"configs/cifar.py: classes={args['classes']} must be 10 or 100")
    config = common.base()
    config.data.name = f"cifar{args['classes']}"
    config.data.shift = 4
    config.data.flip = True
    config.model = common.network(args["model"], args["depth"], args["shortcut"])
    config.epochs = 164  # 390 whole batches each: 63,960 of the paper's 64,000 iterations
    config.schedule = "piecewise:boundaries=(32000,48000),factors=(1,0.1,0.01)"
    if args["depth"] >= 110:
        config.schedule = "piecewise:boundaries=(400,32000,48000),factors=(0.1,1,0.1,0.01)"
    config.weight_decay = 1e-4
    config.log_every = 65
    config.keep_checkpoints = 3
    return config
