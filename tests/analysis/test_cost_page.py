"""Pages of costs: bars add up to the account and to the projection, titles say what is largest."""

import pytest

from resnets import analysis
from resnets.analysis import cost_page, hardware, lower
from resnets.analysis.fusion import schedule
from resnets.analysis.projection import project
from tests.analysis.networks import Tower, TwoLayers, recipe

SHAPE = (6, 6, 3)


@pytest.fixture(scope="module")
def account():
    return analysis.cost(TwoLayers(), SHAPE, batch_size=2)


@pytest.fixture(scope="module")
def page(account):
    return cost_page.account_page(account, "two layers")


@pytest.fixture(scope="module")
def projection():
    program = lower.inference(TwoLayers(), SHAPE, 2)
    return project(schedule(program.graph, "none", False), hardware.load("hypothetical"))


@pytest.fixture(scope="module")
def projected(projection, account):
    return cost_page.projection_page(projection, account, "two layers")


def values(figure, unit):
    """The parts of all bars that the page says, in the unit."""
    prefixes = {"": 1, "k": 1e3, "M": 1e6, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12}
    lines = [line for place in figure.panel.places for line in place.lines]
    return [
        (name, float(text.split()[0]) * prefixes[text.split()[1].removesuffix(unit)])
        for name, text in lines
    ]


def test_operations_and_bytes_of_the_bars_are_those_of_the_account(page, account):
    flops, moved = page.figures
    assert sum(v for _, v in values(flops, "FLOP")) == pytest.approx(account.total.flops, rel=1e-3)
    whole = account.total
    bytes_moved = whole.weight_bytes + whole.input_bytes + whole.output_bytes
    assert sum(v for _, v in values(moved, "B")) == pytest.approx(bytes_moved, rel=1e-3)


def test_the_title_names_the_heaviest_layer_and_its_share(page, account):
    """The convolution: 2 images x 36 positions x 27 taps x 8 channels x 2 FLOPs."""
    flops = page.figures[0]
    share = 2 * 36 * 27 * 8 * 2 / account.total.flops
    assert flops.title.startswith(f"conv does {100 * share:.0f} % of ")


def test_the_last_row_of_the_table_is_the_sum(page, account):
    (table,) = page.tables
    flops = [int(row[5].replace(",", "")) for row in table.rows]
    assert flops[-1] == sum(flops[:-1]) == account.total.flops
    assert all(len(row) == len(table.headings) for row in table.rows)


def test_a_training_step_has_a_chart_a_phase():
    account = analysis.training_cost(recipe(Tower(1), 2), SHAPE)
    page = cost_page.account_page(account, "a tower")
    names = [figure.chart.name for figure in page.figures]
    assert {"flops_forward", "flops_backward", "bytes_forward", "bytes_backward"} <= set(names)
    assert len(set(names)) == len(names)


class TestProjection:
    """On the machine of the exercise sheets."""

    def test_times_of_the_bars_are_those_of_the_projection(self, projection, projected):
        bars = next(f for f in projected.figures if f.chart.name == "layer_times")
        spent = values(bars, "s")
        for name, seconds in projection.resources.items():
            shown = sum(value for part, value in spent if part == name)
            assert shown == pytest.approx(seconds, rel=1e-3)
        estimates = sum(value for part, value in spent if part == "estimate")
        assert estimates == pytest.approx(projection.estimate, rel=1e-3)

    def test_the_rooflines_title_says_what_most_of_the_time_waits_for(self, projected):
        """1 GB/s outside: everything waits for it."""
        assert projected.figures[0].chart.name == "roofline"
        assert projected.figures[0].title.endswith("of the time goes to layers that wait for ddr")

    def test_the_table_has_a_row_a_layer_and_its_time(self, projection, projected):
        table = projected.tables[0]
        times = [float(row[3].replace(",", "")) for row in table.rows]
        assert sum(times) == pytest.approx(1e6 * projection.estimate, abs=5e-4 * len(times))
