"""Accounts of whole networks against published numbers and closed forms."""

import csv
import json
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from resnets import analysis, models
from resnets.analysis import render
from tests.analysis.networks import Tower, TwoLayers, recipe

MODELS = Path(__file__).parents[1] / "models"
FIELDS = {"googlenet": {"bn": True, "five_by_five": False}}


def torchvision():
    with (MODELS / "torchvision_models.csv").open() as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    large = ("densenet121", "densenet161", "densenet169", "densenet201")
    return [pytest.param(*row, marks=pytest.mark.slow if row[0] in large else ()) for row in rows]


def gmacs(name, size=224, **fields):
    model = models.create(name, **fields)
    return analysis.cost(model, (size, size, 3)).total.macs / 1e9


def macs(account, phase):
    return {row.name: row.cost.macs for row in account.layers if row.phase == phase}


@pytest.fixture(scope="module")
def resnet50():
    return analysis.cost(models.create("resnet50"), (224, 224, 3))


@pytest.fixture(scope="module")
def resnet50_step():
    return analysis.training_cost(recipe(models.create("resnet50"), 1), (224, 224, 3))


# --- published numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "parameters", "published", "size"), torchvision())
def test_torchvisions_parameters_and_multiply_adds(name, parameters, published, size):
    model = models.create(name, **FIELDS.get(name, {}))
    if hasattr(model, "scan_blocks"):  # the same rows, sooner
        model = model.clone(scan_blocks=True)
    account = analysis.cost(model, (int(size), int(size), 3))
    assert account.parameters == int(parameters)
    rounding = 0.5 * 10.0 ** -len(published.partition(".")[2])
    difference = abs(account.total.macs / 1e9 - float(published))
    assert difference <= max(rounding, 1e-3 * float(published))
    assert account.unnamed_flops <= 0.01
    assert (account.coverage_flops, account.coverage_bytes) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "fields", "paper"),
    [
        ("resnet18", {}, 1.8),
        ("resnet34", {}, 3.6),
        ("resnet50", {"strided": "1x1"}, 3.8),
        ("resnet101", {"strided": "1x1"}, 7.6),
        ("resnet152", {"strided": "1x1"}, 11.3),
        ("vgg19", {}, 19.6),
    ],
)
def test_the_papers_multiply_adds(name, fields, paper):
    """He et al. 2015, table 1 and section 3.3: one decimal, rounded or cut off."""
    if name.startswith("resnet"):
        fields = fields | {"scan_blocks": True}
    assert -0.05 <= gmacs(name, **fields) - paper < 0.1


def test_shortcuts_add_no_multiply_adds_but_the_projections():
    plain = analysis.cost(models.create("plain34", scan_blocks=True), (224, 224, 3))
    residual = analysis.cost(models.create("resnet34", scan_blocks=True), (224, 224, 3))
    identity = models.create("resnet34", shortcut="A", scan_blocks=True)
    assert analysis.cost(identity, (224, 224, 3)).total.macs == plain.total.macs
    projections = sum(r.cost.macs for r in residual.layers if r.name.endswith("projection"))
    assert residual.total.macs - projections == plain.total.macs


def test_bytes_of_resnet50(resnet50):
    assert round(resnet50.compulsory_bytes / 1e6, 1) == 102.8
    assert round(resnet50.streamed_bytes / 1e6, 1) == 189.1
    assert resnet50.compulsory_bytes == 4 * (25_557_032 + 224 * 224 * 3 + 1000)


# --- the training step ---------------------------------------------------------------------------


def test_the_backward_pass_costs_twice_the_forward_but_for_the_stem(resnet50_step):
    forward, backward = (macs(resnet50_step, phase) for phase in ("forward", "backward"))
    for name, count in forward.items():
        expected = count if name == "stem_conv" else 2 * count
        assert backward.get(name, 0) == expected, name
    assert round(sum(backward.values()) / sum(forward.values()), 3) == 1.971


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("lenet5", 32),
        ("densenet_bc16_6", 27),
        ("resnext11_2x8d", 45),
        pytest.param("inception_v3", 299, marks=pytest.mark.slow),
    ],
)
def test_gradients_cost_what_their_layers_cost_at_odd_sizes_and_without_padding(name, size):
    step = analysis.training_cost(recipe(models.create(name, 10), 2), (size, size, 3))
    forward, backward = (macs(step, phase) for phase in ("forward", "backward"))
    first = next(layer for layer, count in forward.items() if count)
    for layer, count in forward.items():
        assert backward.get(layer, 0) == (count if layer == first else 2 * count), layer


def test_the_optimizer_works_on_the_layers_that_own_the_weights(resnet50_step):
    updates = {r.name: r.cost for r in resnet50_step.layers if r.phase == "optimizer"}
    forward = {r.name: r.parameters for r in resnet50_step.layers if r.phase == "forward"}
    for name, parameters in forward.items():
        if parameters:  # decay: 2, momentum: 2, step: 2 operations a parameter
            assert updates[name].elementwise == 6 * parameters, name


def test_unnamed_work_of_the_step_is_small(resnet50_step):
    assert resnet50_step.unnamed_flops <= 0.01
    assert (resnet50_step.coverage_flops, resnet50_step.coverage_bytes) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "fields", "options"),
    [
        pytest.param("cifar_resnet14", {}, {}, marks=pytest.mark.slow),
        pytest.param(
            "cifar_plain14",
            {},
            {"clip_norm": 1.0, "optimizer": "adam", "average_decay": 0.9},
            marks=pytest.mark.slow,
        ),
        ("preact_resnet14", {"dtype": "bfloat16"}, {"accumulation": 2}),
    ],
)
def test_a_loop_costs_exactly_what_the_unrolled_network_does(name, fields, options):
    rows = []
    for scan_blocks in (False, True):
        model = models.create(name, 10, scan_blocks=scan_blocks, **fields)
        with jax.numpy_dtype_promotion("standard"):  # optax's Adam needs it
            inference = analysis.cost(model, (16, 16, 3), 2)
            step = analysis.training_cost(recipe(model, **options), (16, 16, 3))
        rows.append(
            [{(row.name, row.phase): row for row in a.layers} for a in (inference, step)]
            + [inference.total, step.total]
        )
    assert rows[0] == rows[1]


def test_rematerialisation_adds_exactly_the_recomputed_layers():
    plain, again = (
        analysis.training_cost(recipe(Tower(form=form)), (4, 4, 3)) for form in ("row", "remat")
    )
    assert macs(plain, "forward") == macs(again, "forward")
    extra = {
        name: count - macs(plain, "backward")[name]
        for name, count in macs(again, "backward").items()
    }
    forward = macs(plain, "forward")
    assert extra["head"] == 0
    # The last block's product is recomputed for its tanh; each is 4 x 48 x 48.
    assert {extra[f"layer{index}/dense"] for index in range(3)} == {forward["layer0/dense"]}
    assert forward["layer0/dense"] == 4 * 48 * 48
    assert again.activations.kept_bytes < plain.activations.kept_bytes


def test_activation_memory_of_a_tower():
    """Each block keeps its input and its tanh, which is the next one's input; then the logits."""
    account = analysis.training_cost(recipe(Tower()), (4, 4, 3))
    inputs = 4 * (4 * 48) * 4  # the images and three tanhs
    slopes = 3 * (4 * 48) * 4  # of the tanhs
    assert inputs <= account.activations.kept_bytes - slopes <= inputs + 200
    assert account.activations.rematerialised_bytes <= account.activations.kept_bytes


@pytest.mark.parametrize(
    ("name", "size"),
    [("vgg11", 32), ("lenet5", 32), pytest.param("resnet18", 32, marks=pytest.mark.slow)],
)
def test_half_precision_keeps_half_the_activations_and_no_weights(name, size):
    kept = []
    for dtype in ("float32", "bfloat16"):
        step = analysis.training_cost(recipe(models.create(name, dtype=dtype), 4), (size, size, 3))
        kept.append(step.activations.kept_bytes)
        assert step.activations.rematerialised_bytes <= kept[-1]
    assert 0.4 * kept[0] < kept[1] < 0.9 * kept[0]


def test_accumulation_repeats_the_rows_and_keeps_the_activations_of_one_part():
    model = models.create("cifar_resnet8")
    whole, parts = (
        analysis.training_cost(recipe(model, 8, accumulation=n), (16, 16, 3)) for n in (1, 2)
    )
    assert parts.parameters == whole.parameters == 75_290
    assert macs(parts, "forward") == macs(whole, "forward")
    assert {row.name for row in parts.layers if row.phase == "backward"} == {
        row.name for row in whole.layers if row.phase == "backward"
    }


def test_clipping_leaves_the_update_with_the_layers_that_own_it():
    step = analysis.training_cost(
        recipe(models.create("cifar_resnet8"), clip_norm=1.0), (16, 16, 3)
    )
    updates = {r.name: r.cost.elementwise for r in step.layers if r.phase == "optimizer"}
    forward = {r.name: r.parameters for r in step.layers if r.phase == "forward"}
    for name, parameters in forward.items():
        if parameters:  # square, sum, divide, scale, select beside the update's six
            assert 6 * parameters < updates[name] < 13 * parameters, name


# --- bookkeeping ---------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_rows_add_up_to_the_totals(resnet50, resnet50_step, depth):
    for account in (resnet50, resnet50_step):
        rows = analysis.fold(account.layers, depth)
        total = rows[0].cost
        for row in rows[1:]:
            total += row.cost
        assert total == account.total
        assert sum(row.parameters for row in rows) == account.parameters
        assert len({(row.name, row.phase) for row in rows}) == len(rows)


def test_weight_bytes_are_the_parameter_tree(resnet50):
    model = models.create("resnet50")
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
    expected = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"]):
        name = "/".join(part.key for part in path[:-1])
        expected[name] = expected.get(name, 0) + 4 * leaf.size
    counted = {row.name: row.cost.weight_bytes for row in resnet50.layers if row.cost.weight_bytes}
    assert counted == expected


def test_layers_come_in_the_order_of_execution(resnet50):
    names = [row.name for row in resnet50.layers]
    assert names[:2] == ["stem_conv", "stem_bn"]
    assert names[-1] == "classifier"
    assert names.index("stage1/block0/conv1") < names.index("stage1/block2/conv3")


def test_bfloat16_halves_the_bytes_and_not_the_work():
    account = analysis.cost(models.create("vgg11", dtype="bfloat16"), (64, 64, 3))
    full = analysis.cost(models.create("vgg11"), (64, 64, 3))
    assert account.total.macs == full.total.macs
    assert 2 * account.total.weight_bytes == full.total.weight_bytes
    assert account.streamed_bytes < 0.51 * full.streamed_bytes


def test_more_images_cost_more_work_and_the_same_weights():
    one, eight = (analysis.cost(models.create("lenet5"), (32, 32, 1), batch) for batch in (1, 8))
    assert eight.total.macs == 8 * one.total.macs
    assert eight.total.weight_bytes == one.total.weight_bytes


# --- modules of a user's own ---------------------------------------------------------------------


def test_any_module_can_be_analysed():
    account = analysis.cost(TwoLayers(), (6, 6, 3), 2)
    rows = {row.name: row.cost for row in account.layers}
    assert rows["conv"].macs == 2 * 36 * 8 * 27
    assert rows["head"].macs == 2 * 8 * 5
    assert rows["conv"].weight_bytes == 4 * 27 * 8


def test_a_loop_of_the_users_own_is_run_out_and_its_rounds_are_numbered():
    row = analysis.cost(Tower(), (4, 4, 3))
    loop = analysis.cost(Tower(form="loop"), (4, 4, 3))
    assert loop.total.macs == row.total.macs
    names = [layer.name for layer in loop.layers if layer.cost.macs]
    assert names == [*(f"layers[{index}]/dense" for index in range(3)), "head"]


class Odd(nn.Module):
    """Parameters in unusual places: at the root, in a module called blocks, shared over time."""

    @nn.compact
    def __call__(self, x):
        x = x.reshape(x.shape[0], -1)
        x = jnp.einsum("bd,df->bf", x, self.param("mixing", nn.initializers.ones, (12, 8)))
        x = nn.Dense(8, name="blocks")(x)
        return nn.RNN(nn.LSTMCell(4), name="rnn")(x.reshape(x.shape[0], 4, 2))


@pytest.mark.parametrize("module", [Odd(), Tower(form="loop"), Tower(), TwoLayers()])
def test_every_parameter_is_counted_once_wherever_it_lives(module):
    takes_mode = {"train": False} if isinstance(module, Tower) else {}
    image = jax.ShapeDtypeStruct((1, 2, 2, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: module.init(jax.random.key(0), x, **takes_mode), image)
    expected = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    account = analysis.cost(module, (2, 2, 3))
    assert account.parameters == sum(row.parameters for row in account.layers) == expected


class Unruly(nn.Module):
    """Something that the analysis has no rule for, or cannot follow."""

    what: str

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4, name="dense")(x.reshape(x.shape[0], -1))
        if self.what == "fft":
            return jnp.abs(jnp.fft.fft(x))
        if self.what == "while":
            return jax.lax.while_loop(lambda v: jnp.sum(v) < 9.0, lambda v: v * 2.0, x)
        if self.what == "cond":
            return jax.lax.cond(jnp.sum(x) > 0.0, lambda v: v @ v.T, lambda v: v @ v.T @ v @ v.T, x)
        return x[0, :3] + x[0, :2]


def test_an_operation_without_a_rule_is_named_and_lowers_the_coverage():
    account = analysis.cost(Unruly("fft"), (2, 2, 1))
    assert account.coverage_flops < 1.0
    assert account.coverage_bytes < 1.0
    assert any("kind fft have no rule" in warning for warning in account.warnings)


def test_an_unknown_number_of_rounds_is_said_and_not_taken_as_one():
    account = analysis.cost(Unruly("while"), (2, 2, 1))
    assert any("number of rounds depends on data" in warning for warning in account.warnings)
    assert account.coverage_flops < 1.0


def test_a_branch_on_data_is_said():
    account = analysis.cost(Unruly("cond"), (2, 2, 1))
    assert any("a branch depends on data" in warning for warning in account.warnings)


class Outer(nn.Module):
    """Something unruly inside."""

    @nn.compact
    def __call__(self, x, train):
        return Unruly("broken", name="inner")(x)


def test_a_module_that_cannot_be_traced_gives_its_own_reason_and_its_place():
    with pytest.raises(analysis.AnalysisError, match=r"^inner: add got incompatible shapes"):
        analysis.cost(Outer(), (2, 2, 1))
    with pytest.raises(analysis.AnalysisError, match=r"^inner: add got incompatible shapes"):
        analysis.training_cost(recipe(Outer(), channels=1), (2, 2, 1))
    with pytest.raises(analysis.AnalysisError, match="add got incompatible shapes"):
        analysis.cost(Unruly("broken"), (2, 2, 1))
    with pytest.raises(analysis.AnalysisError, match="16x16 are too small for pool5"):
        analysis.cost(models.create("vgg16"), (16, 16, 3))


# --- what is shown -------------------------------------------------------------------------------


def test_json_has_the_contracts_fields_and_the_same_bytes_every_time():
    texts = []
    for _ in range(2):
        account = analysis.cost(models.create("lenet5"), (32, 32, 1))
        texts.append(render.as_json(render.as_dict(account, "lenet5", "float32")))
    assert texts[0] == texts[1]
    content = json.loads(texts[0])
    outer = {"model", "phase", "batch_size", "image_size", "dtype", "totals", "layers"}
    assert outer <= set(content)
    fields = {"parameters", "macs", "flops", "flops_valid", "weight_bytes", "input_bytes"}
    fields |= {"output_bytes", "compulsory_bytes", "streamed_bytes"}
    fields |= {"coverage_flops", "coverage_bytes"}
    assert fields <= set(content["totals"])
    assert sum(row["macs"] for row in content["layers"]) == content["totals"]["macs"]


def test_csv_has_a_row_a_layer():
    account = analysis.cost(models.create("lenet5"), (32, 32, 1))
    text = render.as_csv([render.as_dict(account, "lenet5", "float32")])
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["name"] for row in rows] == [layer.name for layer in account.layers]
    assert sum(int(row["parameters"]) for row in rows) == 61_706


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["inference", "train"])
@pytest.mark.parametrize("name", models.names())
def test_every_registered_network_is_covered(name, phase):
    model, shape = models.create(name), models.family(name).image_shape
    if hasattr(model, "scan_blocks"):
        model = model.clone(scan_blocks=True)
    if phase == "inference":
        account = analysis.cost(model, shape)
    else:
        account = analysis.training_cost(recipe(model, 1, shape[2]), shape)
    assert account.coverage_flops >= 0.995
    assert account.coverage_bytes >= 0.995
    assert account.unnamed_flops <= 0.01
    assert account.warnings == ()
