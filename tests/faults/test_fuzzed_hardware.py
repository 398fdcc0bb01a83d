"""Whatever a hardware file holds: a machine that projects to finite times, or one clear line."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnets import models
from resnets.analysis import hardware, lower
from resnets.analysis.fusion import schedule
from resnets.analysis.projection import project
from resnets.errors import UserError

pytestmark = pytest.mark.faults

FOLDER = Path(hardware.__file__).parent
SHIPPED = {file.stem: file.read_text() for file in sorted(FOLDER.glob("*.toml"))}
WORDS = ["inf", "-inf", "nan", "0", "-1", "1e400", "true", "[]", "[0, 0, 0]", "[[memory]]", '""']
WORDS += [
    '"0 GB"',
    '"-1 GB/s"',
    '"1 GB"',
    '"1 GB/s"',
    '"infinite"',
    '"1e-300 TFLOP/s"',
    '"9e999 B"',
]
WORDS += ['"matrix"', '["*"]', '["*", "*"]', '"vmem"', '"../x"', "{}", "{a = 1}", "1979-05-27"]
VALUES = st.sampled_from(WORDS) | st.integers().map(str) | st.floats().map(repr)
VALUES |= st.text(max_size=6).map(lambda text: f'"{text}"')


@st.composite
def files(draw):
    """A shipped file with lines changed, lost, doubled or moved, or cut off in the middle."""
    lines = SHIPPED[draw(st.sampled_from(sorted(SHIPPED)))].splitlines()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["value"] * 4 + ["lost", "doubled", "moved", "text", "cut"])):
            case "value":
                lines[place] = f"{lines[place].partition('=')[0]}= {draw(VALUES)}"
            case "lost":
                lines[place] = ""
            case "doubled":
                lines.insert(place, lines[place])
            case "moved":
                lines.append(lines.pop(place))
            case "text":
                lines[place] = draw(st.text(max_size=20))
            case "cut":
                lines[place] = lines[place][: len(lines[place]) // 2]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def lenet():
    return lower.inference(models.create("lenet5"), (32, 32, 1)).graph


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=files() | st.binary(max_size=40))
def test_a_hardware_file_projects_or_is_refused_in_one_line(content, lenet, tmp_path):
    file = tmp_path / "machine.toml"
    file.write_bytes(content)
    try:
        machine = hardware.load(str(file))
        taken = project(schedule(lenet, "epilogue", training=False), machine)
    except UserError as error:
        message = str(error)
        assert message
        assert "\n" not in message
        message.encode()
    else:
        assert 0 <= taken.lower <= taken.upper
        assert math.isfinite(taken.estimate)
        assert taken.estimate > 0
