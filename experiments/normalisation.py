"""What does batch normalisation do? Plain and residual networks with it and without.

Question: Ioffe and Szegedy 2015 (arXiv 1502.03167) train deeper networks with it; He et al. 2015
say that with it plain networks degrade nevertheless, so that vanishing signals are not the reason.
Command: ./launch.sh study normalisation
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="normalisation",
    question="Can plain and residual networks do without batch normalisation as they get deeper?",
    reading=(
        "Without normalisation every convolution has a bias. Each arm is compared with residual "
        "networks with normalisation. A run whose loss is not finite fails and is named."
    ),
    config="configs/digits.py",
    arms={
        "plain-none": {"shortcut": "none", "config.model.norm": "none"},
        "plain": {"shortcut": "none", "config.model.norm": "batch"},
        "residual-none": {"shortcut": "A", "config.model.norm": "none"},
        "residual": {"shortcut": "A", "config.model.norm": "batch"},
    },
    depths=(8, 38),
    seeds=3,
    minutes=3.7,
)
