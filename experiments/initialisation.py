"""Which initial values do residual networks train from? Glorot, He, zero last scale and Fixup.

Question: Glorot and Bengio 2010 keep the variance through linear layers, He et al. 2015
(arXiv 1502.01852) through ReLU; Goyal et al. 2017 begin with blocks that are their shortcuts; Zhang
et al. 2019 (arXiv 1901.09321) do without normalisation by initial values alone.
Command: ./launch.sh study initialisation
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="initialisation",
    question="Do the initial values of residual networks decide how low the error gets?",
    reading=(
        "Shortcut A in all arms. He's is the reference; `zero-scale` begins with branches of zero; "
        "`fixup` has no normalisation, and initial values and scalars in its place."
    ),
    config="configs/digits.py",
    minutes=9.6,
    arms={
        "glorot": {"shortcut": "A", "config.model.initializer": "glorot_uniform"},
        "zero-scale": {"shortcut": "A", "config.model.zero_last_scale": "true"},
        "fixup": {"shortcut": "A", "config.model.norm": "fixup"},
        "he": {"shortcut": "A", "config.model.initializer": "he_normal_fan_out"},
    },
    depths=(8, 38),
    seeds=3,
)
