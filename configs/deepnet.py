"""DeepNet on 28x28 crops of CIFAR-10, as the document that drew it trained it.

Source: the document "001" on DeepNet (Inception and scaled Inception-ResNet blocks, one million
parameters): Adam, Glorot uniform initialisation, batch normalisation before ReLU, dropout 0 or 0.3
before the classifier, 28x28 crops: here random in training and central in evaluation. It gives
neither rate nor schedule, batch or epochs: those below are choices of this file.
Command: ./launch.sh train --config=configs/deepnet.py:dropout=0.3 --workdir=runs/deepnet
Published test error on CIFAR-10: 7.53 % without dropout, 6.85 % with 0.3 (the document gives
accuracies, 92.47 % and 93.15 %). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arguments: str | None = None) -> ConfigDict:
    """`dropout` is a share below 1: 0 or 0.3 in the document."""
    args = common.parse_arguments(arguments, "configs/deepnet.py", dropout=0.3)
    config = common.base()
    config.data.name = "cifar10"
    config.data.crop = 28
    config.model = ConfigDict({"name": "deepnet", "dropout": args["dropout"], "dtype": "float32"})
    config.optimizer = "adam"
    config.learning_rate = 1e-3
    config.schedule = "cosine"
    config.epochs = 100
    config.log_every = 65
    return config
