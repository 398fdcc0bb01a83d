"""Does a deeper plain network underfit? One arm of `degradation`, at more depths.

Question: He et al. 2015 (arXiv 1512.03385), figure 1: the deeper plain network has the higher
*training* error, so it is not overfitting that makes its test error worse.
Command: ./launch.sh study underfitting
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="underfitting",
    question="Does the training error of plain networks rise with depth?",
    reading=(
        "One arm, from shallow to deep: a training error that rises is underfitting, a test error "
        "that rises while the training error falls would be overfitting."
    ),
    config="configs/digits.py",
    arms={"plain": {"shortcut": "none"}},
    depths=(8, 20, 38, 56),
    seeds=3,
    minutes=2.1,
    metrics=("train_error_pct",),
)
