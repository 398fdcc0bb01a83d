"""Which shortcut? Identity with zeros, projections where shapes change, projections everywhere.

Question: He et al. 2015 (arXiv 1512.03385), table 3: A, B and C are all much better than none, and
differ little: projections are not what cures the degradation.
Command: ./launch.sh study shortcuts
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=18,34
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="shortcuts",
    question="Do projections (B, C) do better than identities (A), and all better than none?",
    reading=(
        "A pads new channels with zeros, B projects where shapes change, C always. Each is "
        "compared with A; B and C have more parameters."
    ),
    config="configs/digits.py",
    minutes=7.8,
    arms={name: {"shortcut": name} for name in ("none", "B", "C", "A")},
    depths=(8, 38),
    seeds=3,
)
