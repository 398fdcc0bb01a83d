"""Does another optimiser cure the degradation of plain networks? Four of them.

Question: if deep plain networks fail because they are hard to optimise (He et al. 2015, section
4.1), another optimiser may succeed: Adam (Kingma and Ba 2014), AdamW (Loshchilov and Hutter 2017),
Muon (Jordan et al. 2024).
Command: ./launch.sh study optimiser
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

PLAIN = {"shortcut": "none"}
ADAM = {"config.learning_rate": "0.002", "config.weight_decay": "0.0"}
ADAMW = {"config.learning_rate": "0.002", "config.weight_decay": "0.05"}
MUON = {"config.learning_rate": "0.02", "config.weight_decay": "0.005"}

STUDY = Study(
    name="optimiser",
    question="Do deep plain networks train with Adam, AdamW or Muon where SGD fails?",
    reading=(
        "All arms are plain networks from the same initial values; SGD with momentum 0.9 is the "
        "reference. Rates and weight decays are usual ones, not tuned."
    ),
    config="configs/digits.py",
    minutes=16.0,
    arms={
        "adam": PLAIN | ADAM | {"config.optimizer": "adam"},
        "adamw": PLAIN | ADAMW | {"config.optimizer": "adamw"},
        "muon": PLAIN | MUON | {"config.optimizer": "muon"},
        "sgd": PLAIN | {"config.optimizer": "sgd:momentum=0.9"},
    },
    depths=(8, 44),
    seeds=3,
)
