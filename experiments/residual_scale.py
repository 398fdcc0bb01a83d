"""Does a factor on the branch, or on the shortcut, make training stable? Four factors and none.

Question: Szegedy et al. 2016 (arXiv 1602.07261), section 3.3, scale branches by 0.1 to 0.3 where
wide residual networks became unstable. Here training is made hard: no warm-up, twice the rate.
Command: ./launch.sh study residual_scale
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

HARD = {"shortcut": "A", "config.schedule": "cosine", "config.learning_rate": "0.1"}

STUDY = Study(
    name="residual_scale",
    question="Does scaling the branch or the shortcut of a block make training stable?",
    reading=(
        "Every arm starts at the full rate of 0.1, without warm-up, and is compared with the "
        "unscaled sum. Stable is a lower training error and a smaller spread over seeds."
    ),
    config="configs/digits.py",
    arms={
        "branch0.1": HARD | {"config.model.residual_scale": "0.1"},
        "branch0.17": HARD | {"config.model.residual_scale": "0.17"},
        "branch0.2": HARD | {"config.model.residual_scale": "0.2"},
        "shortcut0.5": HARD | {"config.model.shortcut_scale": "0.5"},
        "unscaled": HARD,
    },
    depths=(8, 38),
    seeds=3,
    minutes=4.7,
)
