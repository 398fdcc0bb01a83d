"""Width or depth? Thin deep and wide shallow residual networks of equal cost.

Question: Zagoruyko and Komodakis 2016 (arXiv 1605.07146): fewer, wider layers do as well as many
thin ones, and run faster on parallel hardware. A quarter of the layers, twice as wide, costs the
same multiply-adds.
Command: ./launch.sh study width
At CIFAR scale: --config=configs/cifar.py --depths=98; at ImageNet's: --config=configs/imagenet.py
--depths=152 (wide_resnet50_2 against resnet152: 11.4 and 11.5 billion multiply-adds)
"""

from resnets.studies.grid import Study

STUDY = Study(
    name="width",
    question="Is a wide shallow residual network as good as a thin deep one of equal cost?",
    reading=(
        "The depth is that of the thin network, the reference. The wide one has twice its channels "
        "and a quarter of its layers after the stem (26: 8, 50: 14, 98: 26): the same "
        "multiply-adds in them, and 5 to 19 % fewer parameters."
    ),
    config="configs/digits.py",
    arms={
        "wide": {
            "shortcut": "A",
            "depth": {26: "8", 50: "14", 98: "26", 152: "50"},
            "model": {26: "", 50: "", 98: "", 152: "wide_resnet50_2"},
            "config.model.scan_blocks": "true",
            "config.model.width": {26: "32", 50: "32", 98: "32", 152: "64"},
        },
        "thin": {"shortcut": "A"},
    },
    depths=(26, 50),
    seeds=3,
    minutes=3.0,
)
