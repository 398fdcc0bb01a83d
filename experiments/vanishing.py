"""Which networks of sigmoids train? What is said to keep their gradients alive, side by side.

Question: the derivative of a sigmoid is at most 1/4, so the gradient shrinks from layer to layer
(Bengio et al. 1994; Glorot and Bengio 2010). Shortcuts, batch normalisation and classifiers on
inner layers are said to keep it alive; so is ReLU.
Command: ./launch.sh study vanishing
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

SIGMOID = {"config.model.activation": "sigmoid"}
PLAIN = {"shortcut": "none", "config.model.norm": "none"}
HEADS = PLAIN | {"config.model.auxiliary": "true"}
SHORTCUTS = PLAIN | {"shortcut": "A"}
NORMALISED = PLAIN | {"config.model.norm": "batch"}

STUDY = Study(
    name="vanishing",
    question="What lets deep networks of sigmoids train: ReLU, shortcuts, normalisation, heads?",
    reading=(
        "Every arm changes one or two things of the reference, plain networks of sigmoids without "
        "normalisation. Guessing errs on 90 %."
    ),
    config="configs/digits.py",
    arms={
        **{"relu": PLAIN, "relu-heads": HEADS, "relu-shortcuts": SHORTCUTS},
        **{"relu-normalised": NORMALISED, "sigmoid-heads": HEADS | SIGMOID},
        **{"sigmoid-shortcuts": SHORTCUTS | SIGMOID, "sigmoid-normalised": NORMALISED | SIGMOID},
        "sigmoid": PLAIN | SIGMOID,
    },
    depths=(8, 20),
    seeds=3,
    minutes=5.0,
)
