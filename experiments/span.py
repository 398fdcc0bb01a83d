"""How many layers may one shortcut skip? Blocks of one, two and three layers, and none.

Question: He et al. 2015 (arXiv 1512.03385), section 3.2, saw no advantage of shortcuts around one
layer. All arms have the same layers; they differ in how many shortcuts go around them.
Command: ./launch.sh study span
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=26
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="span",
    question="Do shortcuts around two or three layers help, and around one layer not?",
    reading=(
        "All arms have the same layers and parameters (shortcut A); span N skips N of them. Every "
        "arm is compared with span 2. The depths are 18n+2, which all spans divide."
    ),
    config="configs/digits.py",
    arms={
        "plain": {"shortcut": "none"},
        "span1": {"shortcut": "A", "config.model.span": "1"},
        "span3": {"shortcut": "A", "config.model.span": "3"},
        "span2": {"shortcut": "A", "config.model.span": "2"},
    },
    depths=(20, 56),
    seeds=3,
    minutes=5.4,
)
