"""Do residual networks gain from blocks that training leaves out at random? Two rates and none.

Question: Huang et al. 2016 (arXiv 1603.09382) leave out block l of L in l/L of half of the batches:
deep networks train faster and err less on test data.
Command: ./launch.sh study stochastic_depth
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="stochastic_depth",
    question="Do deep residual networks err less when training leaves out blocks at random?",
    reading=(
        "The last block is left out in 20 % or 50 % of the batches, earlier ones less often; the "
        "reference leaves out none. The training error is measured with all blocks."
    ),
    config="configs/digits.py",
    minutes=9.0,
    arms={
        "drop0.2": {"shortcut": "A", "config.model.drop_rate": "0.2"},
        "drop0.5": {"shortcut": "A", "config.model.drop_rate": "0.5"},
        "drop0": {"shortcut": "A", "config.model.drop_rate": "0.0"},
    },
    depths=(8, 38),
    seeds=3,
)
