"""Do blocks train better that normalise and activate first? The two forms side by side.

Question: He et al. 2016 (arXiv 1603.05027): with ReLU after the addition no block can be the
identity; moving it into the branch helps networks of hundreds of layers.
Command: ./launch.sh study preactivation           (--depths=20,56,110 takes some minutes more)
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="preactivation",
    question="Do pre-activation blocks end with a lower error than those of 2015?",
    reading=(
        "Same layers and shortcuts (A). `pre` is normalised and activated before each convolution, "
        "`post`, the reference, after it and after the addition."
    ),
    config="configs/digits.py",
    arms={
        "pre": {"shortcut": "A", "config.model.preactivation": "true"},
        "post": {"shortcut": "A", "config.model.preactivation": "false"},
    },
    depths=(8, 38),
    seeds=3,
    minutes=2.0,
)
