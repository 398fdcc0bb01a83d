"""DenseNet against ResNet at equal and at half of the parameters.

Question: Huang et al. 2017 (arXiv 1608.06993): where every layer reads all earlier ones, fewer
parameters reach the same accuracy.
Command: ./launch.sh study densenet
At scale: --config=configs/cifar.py, or --config=configs/imagenet.py --depths=34,50
"""

from resnets.studies.grid import Study

EQUAL = {
    **{8: "densenet_cifar10_18", 14: "densenet_cifar16_14", 20: "densenet_cifar22_12"},
    **{34: "densenet201", 50: "densenet161"},
}
HALF = {
    **{8: "densenet_cifar10_12", 14: "densenet_cifar16_10", 20: "densenet_cifar22_8"},
    **{34: "densenet121", 50: "densenet169"},
}

STUDY = Study(
    name="densenet",
    question="Does a DenseNet need fewer parameters than a residual network for the same error?",
    reading=(
        "The depth is that of the residual network, the reference (8, 14, 20 layers: 78, 175 and "
        "272 thousand parameters). DenseNets have two layers more and a growth that makes the "
        "parameters equal within 7 %, or half of them. On ImageNet, at 34 and 50 layers: 8 % "
        "fewer and 12 % more, or 37 % and 55 % of them."
    ),
    config="configs/digits.py",
    arms={
        "dense": {"model": EQUAL},
        "half": {"model": HALF},
        "residual": {"shortcut": "B"},
    },
    depths=(8, 14, 20),
    seeds=3,
    minutes=5.3,
)
