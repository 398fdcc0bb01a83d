"""Does the schedule of the learning rate cure the degradation of plain networks? Three of them.

Question: He et al. 2015 divide the rate by ten at half and three quarters of the run; Loshchilov
and Hutter 2016 (arXiv 1608.03983) let it follow a cosine.
Command: ./launch.sh study schedule
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

PLAIN = {"shortcut": "none"}

STUDY = Study(
    name="schedule",
    question="Do deep plain networks train with another schedule of the learning rate?",
    reading=(
        "Plain networks, the same rate at its highest, the same warm-up over 100 steps; the cosine "
        "is the reference. Steps divide the rate by ten at 50 % and 75 % of the run."
    ),
    config="configs/digits.py",
    minutes=8.7,
    arms={
        "constant": PLAIN | {"config.schedule": "constant:warmup_steps=100"},
        "steps": PLAIN | {"config.schedule": "milestones:warmup_steps=100"},
        "cosine": PLAIN | {"config.schedule": "cosine:warmup_steps=100"},
    },
    depths=(8, 44),
    seeds=3,
)
