"""Whatever is wrong with the newest checkpoint, it is noticed and the one before is used."""

import logging
import random
import shutil

import pytest

from resnets.training.loop import train
from tests.faults.conftest import outcome

pytestmark = pytest.mark.faults

TRIALS = 200


def harm(folder, chance):
    """Flip one bit of one file, or cut it short; say what was done."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.stat().st_size)
    file = chance.choice(files)
    content = bytearray(file.read_bytes())
    if chance.random() < 0.5:
        place = chance.randrange(8 * len(content))
        content[place // 8] ^= 1 << place % 8
        what = f"bit {place} flipped"
    else:
        del content[chance.randrange(len(content)) :]
        what = f"cut to {len(content)} bytes"
    file.write_bytes(content)
    return f"{file.relative_to(folder)}: {what}"


def test_two_hundred_harms_are_noticed_two_hundred_times(config, whole, cut, tmp_path, caplog):
    chance, noticed, resumed = random.Random(20261121), 0, 0
    for _ in range(TRIALS):
        run = tmp_path / "harmed"
        shutil.copytree(cut, run)
        what = harm(run / "checkpoints" / "8", chance)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            train(config, run, "harmed")
        assert f"{run / 'checkpoints' / '8'} is damaged" in caplog.text, what
        assert (run / "checkpoints" / "damaged" / "8").is_dir(), what
        noticed += 1
        assert "harmed: goes on from step 4" in caplog.text, what
        assert outcome(run) == whole, what
        resumed += 1
        shutil.rmtree(run)
    print(f"noticed {noticed} of {TRIALS}, went on from the one before {resumed} of {TRIALS}")


def test_an_unharmed_checkpoint_is_used(config, whole, cut, caplog):
    with caplog.at_level(logging.INFO):
        train(config, cut, "cut")
    assert "goes on from step 8" in caplog.text
    assert "damaged" not in caplog.text
    assert outcome(cut) == whole
