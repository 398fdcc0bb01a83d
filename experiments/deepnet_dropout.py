"""Does dropout before the classifier help DeepNet? The document's two arms, on digits.

Question: the document "001" reports 92.47 % accuracy on CIFAR-10 without dropout and 93.15 % with
0.3 of the features dropped before the classifier (Adam, Glorot uniform initialisation).
Command: ./launch.sh study deepnet_dropout
At CIFAR scale: --config=configs/cifar.py --config.data.crop=28 (configs/deepnet.py is the same as a
single run); at ImageNet's: --config=configs/imagenet.py
"""

from resnets.studies.grid import Study

DEEPNET = {
    "model": "deepnet",
    "config.optimizer": "adam",
    "config.learning_rate": "0.001",
    "config.weight_decay": "0.0",
}

STUDY = Study(
    name="deepnet_dropout",
    question="Does DeepNet err less on test data with dropout 0.3 before its classifier?",
    reading=(
        "Both arms have the same initial values and data order; dropout is the only difference. "
        "The depth, 40, is that of DeepNet's longest path."
    ),
    config="configs/digits.py",
    arms={
        "dropout0.3": DEEPNET | {"config.model.dropout": "0.3"},
        "dropout0": DEEPNET | {"config.model.dropout": "0.0"},
    },
    depths=(40,),
    seeds=5,
)
