"""Do plain networks get worse with depth, and residual ones not? On real data, in minutes.

Question: He et al. 2015 (arXiv 1512.03385), figures 1 and 6: a deeper plain network has a higher
*training* error than a shallower one, so it is not overfitting but optimisation that fails; with
shortcuts the deeper network is at least as good.
Command: ./launch.sh            (or ./launch.sh study degradation --depths=8,20,56,110 --seeds=5)
Result, 4 minutes on 2 CPU cores: results/degradation.csv. At 56 layers the plain networks end at
64.4 % training error, the residual ones at 0.42 %.
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="degradation",
    question="Do plain networks get worse with depth while residual networks do not?",
    reading=(
        "Compare the rows of one arm from shallow to deep. The degradation is a train error that "
        "rises with depth; a test error that rises alone would be overfitting. Both arms have the "
        "same parameters, initial values, data order and augmentation at equal depth and seed."
    ),
    config="configs/digits.py",
    arms={"plain": {"shortcut": "none"}, "residual": {"shortcut": "A"}},
    depths=(8, 20, 56),
    seeds=3,
    minutes=4.0,
)
