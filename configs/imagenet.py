"""Networks on ImageNet, streamed from its files, with He's recipe or a modern one.

Papers: `he`: He et al. 2015 (arXiv 1512.03385), section 3.4: SGD 0.9, batch 256, weight decay 1e-4,
rate 0.1 divided by 10 when the error plateaus (as usual since: after 30 and 60 of 90 epochs),
shorter side random in [256, 480], random 224 crop and flip, no dropout besides the model's own.
`modern`: Szegedy's crops (2014) and label smoothing (2015), batch 1024 with the rate scaled to it
and warmed up (Goyal et al. 2017, arXiv 1706.02677), cosine decay, moving average, bfloat16.
Evaluation: the 50,000 validation images, shorter side 256, centre crop 224; networks that were
published for 299x299: 342 and 299.
Data: TFDS finds or builds imagenet2012 in --config.data.directory; the build says which archives it
needs and where.
Command: ./launch.sh train --config=configs/imagenet.py:model=resnet50 --workdir=runs/resnet50
         ./launch.sh study degradation --config=configs/imagenet.py --depths=18,34
Published top-1 error, one crop: 24.7 % resnet50, 23.6 % resnet101, 23.0 % resnet152
(github.com/KaimingHe/deep-residual-networks); ten crops: 27.94 % plain18, 28.54 % plain34, 27.88 %
resnet18, 25.03 % resnet34 (table 2). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common
from resnets import models

_HE = {
    "data.train_crop": "scale:smallest=256,largest=480",
    "batch_size": 256,
    "epochs": 90,
    "learning_rate": 0.1,
    "schedule": "step:every_epochs=30,factor=0.1",
}
_MODERN = {
    "data.train_crop": "area:smallest=0.08",
    "model.dtype": "bfloat16",
    "batch_size": 1024,
    "epochs": 100,
    "learning_rate": 0.4,  # 0.1 for each 256 of the batch
    "schedule": "cosine:warmup_steps=6255",  # 5 epochs of 1,251 whole batches
    "label_smoothing": 0.1,
    "average_decay": 0.9999,
}
_RECIPES = {"he": _HE, "modern": _MODERN}


def get_config(arguments: str | None = None) -> ConfigDict:
    """`model` is the network's name (`./launch.sh models`); `recipe` is he or modern.

    `depth` and `shortcut` (A, B, C or none) choose a plain or residual network in place of a name,
    as studies do; with a name beside them they say nothing.
    """
    args = common.parse_arguments(
        arguments, "configs/imagenet.py", model="", recipe="he", depth=0, shortcut="B"
    )
    model = _network(args["model"], args["depth"], args["shortcut"])
    if args["recipe"] not in _RECIPES:
        raise common.UserError(
            f"configs/imagenet.py: recipe={args['recipe']!r} must be one of {', '.join(_RECIPES)}"
        )
    config = common.base()
    config.data = _data(model.name)
    config.model = model
    config.weight_decay = 1e-4
    config.log_every = 100
    config.keep_checkpoints = 3
    config.update_from_flattened_dict(_RECIPES[args["recipe"]])
    if args["recipe"] == "he" and config.data.image_size > 256:
        config.data.train_crop = "scale:smallest=342,largest=641"  # 299/224 times as long
    return config


def _network(name: str, depth: int, shortcut: str) -> ConfigDict:
    if not name and depth:
        return common.residual_family(depth, shortcut, prefix="")
    return ConfigDict({"name": name or "resnet50", "dtype": "float32"})


def _data(model: str) -> ConfigDict:
    try:
        large = models.family(model).image_shape[0] == 299
    except ValueError as error:
        raise common.UserError(f"configs/imagenet.py: {error}") from None
    return ConfigDict(
        {
            "name": "imagenet2012",
            "train": "train",  # TFDS split expressions; empty for none
            "validation": "",
            "test": "validation",
            "directory": "",  # empty: TFDS's own default, or TFDS_DATA_DIR
            "image_size": 299 if large else 224,
            "resize": 342 if large else 256,  # shorter side, before evaluation's centre crop
            "train_crop": "",  # area | scale, with arguments
            "flip": True,  # training images are mirrored half of the time
            "workers": 8,  # processes that decode; 0: threads of the one that trains
        }
    )
