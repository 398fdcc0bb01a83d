"""The recipes that ship: what they say, and that everything they say is read."""

import pytest

from resnets import data
from resnets.errors import UserError
from resnets.training import setup
from resnets.training.config_file import load_config
from tests.data import fake_imagenet


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("configs")
    fake_imagenet.write_archives(path)
    return str(path)


class TestImagenet:
    @pytest.mark.parametrize("recipe", ["he", "modern"])
    def test_every_field_is_read(self, directory, recipe):
        spec = f"configs/imagenet.py:model=resnet18,recipe={recipe}"
        flags = {"data.directory": directory, "batch_size": 2}
        config = load_config(spec, [f"--config.{k}={v}" for k, v in flags.items()])
        plan = setup.prepare(config.to_dict())
        assert plan.image_shape == (224, 224, 3)
        assert plan.recipe.preprocessing.mean == (0.485, 0.456, 0.406)
        assert plan.recipe.preprocessing.std == (0.229, 0.224, 0.225)
        assert (plan.recipe.preprocessing.shift, plan.recipe.preprocessing.flip) == (0, False)

    def test_he_divides_the_rate_by_ten_after_30_and_60_epochs_of_90(self):
        config = load_config("configs/imagenet.py:model=resnet50")
        schedule = setup.schedules.build(config.schedule, config.learning_rate, 900, 10)
        rates = [schedule.rates(step, step + 1)[0] for step in (0, 299, 300, 599, 600, 899)]
        assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
        assert (config.epochs, config.batch_size, config.weight_decay) == (90, 256, 1e-4)
        assert config.optimizer == "sgd:momentum=0.9"
        assert config.data.train_crop == "scale:smallest=256,largest=480"

    def test_the_modern_rate_warms_up_over_five_epochs_of_the_whole_data_set(self):
        config = load_config("configs/imagenet.py:model=resnet50,recipe=modern")
        epoch = 1_281_167 // config.batch_size
        steps = config.epochs * epoch
        schedule = setup.schedules.build(config.schedule, config.learning_rate, steps, epoch)
        assert schedule.rates(5 * epoch, 5 * epoch + 1)[0] == pytest.approx(0.4)
        assert schedule.rates(0, 1)[0] < 0.001
        assert schedule.rates(steps - 1, steps)[0] < 1e-6
        assert config.learning_rate == 0.1 * config.batch_size / 256
        assert config.model.dtype == "bfloat16"
        assert config.data.train_crop == "area:smallest=0.08"

    @pytest.mark.parametrize(
        ("model", "size", "resize"),
        [("resnet50", 224, 256), ("inception_v3", 299, 342), ("inception_resnet_v2", 299, 342)],
    )
    @pytest.mark.parametrize("recipe", ["he", "modern"])
    def test_images_have_the_size_that_the_network_was_published_for(
        self, model, size, resize, recipe
    ):
        fields = load_config(f"configs/imagenet.py:model={model},recipe={recipe}").data
        assert (fields.image_size, fields.resize) == (size, resize)
        data.View(fields.image_size, fields.resize, fields.train_crop, fields.flip)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ("model=resnet49", "did you mean 'resnet"),
            ("recipe=hee", "must be one of he, modern"),
            ("dept=50", "did you mean 'depth'"),
        ],
    )
    def test_a_wrong_argument_is_one_line(self, arguments, says):
        with pytest.raises(UserError, match=says) as caught:
            load_config(f"configs/imagenet.py:{arguments}")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("arguments", "name", "shortcut"),
        [("depth=34,shortcut=none", "plain34", "none"), ("depth=18,shortcut=A", "resnet18", "A")],
    )
    def test_depth_and_shortcut_choose_a_network_as_on_other_data(self, arguments, name, shortcut):
        config = load_config(f"configs/imagenet.py:{arguments}")
        assert (config.model.name, config.model.shortcut) == (name, shortcut)
        small = load_config("configs/cifar.py:depth=8").model
        assert config.model.keys() == small.keys()


@pytest.mark.parametrize("file", ["digits", "cifar", "imagenet"])
def test_a_networks_name_goes_before_depth_and_shortcut(file):
    model = load_config(f"configs/{file}.py:depth=8,shortcut=A,model=densenet_cifar10_12").model
    assert model.to_dict() == {"name": "densenet_cifar10_12", "dtype": "float32"}


class TestDeepnet:
    @pytest.mark.parametrize(("argument", "dropout"), [("0", 0.0), ("0.3", 0.3)])
    def test_it_is_the_recipe_of_the_document(self, argument, dropout):
        config = load_config(
            f"configs/deepnet.py:dropout={argument}",
            ["--config.data.name=synthetic:train=128,test=16"],
        )
        plan = setup.prepare(config.to_dict())
        assert plan.image_shape == (28, 28, 3)
        assert plan.recipe.model.design.dropout == dropout
        assert plan.recipe.model.design.initializer == "glorot_uniform"
        assert plan.recipe.optimizer == "adam"
        assert plan.recipe.preprocessing.crop == 28

    def test_a_crop_larger_than_the_image_is_refused(self):
        config = load_config(
            "configs/deepnet.py", ["--config.data.name=synthetic:height=20,train=128"]
        )
        with pytest.raises(UserError, match=r"config\.data\.crop=28 is larger than .* 20x32"):
            setup.prepare(config.to_dict())
