"""The how-to pages, followed to the letter in a copy of the checkout."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from resnets.training.config_file import CHECKOUT

HOWTOS = sorted((CHECKOUT / "docs").glob("howto_*.md"))

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (new file|added to): (\S+)\n")


@pytest.fixture
def copy(tmp_path):
    """A checkout of one's own."""
    for name in ("resnets", "configs", "experiments"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    return tmp_path


def run(command, folder):
    """Run a line of a page in the copy; return what it wrote to stdout."""
    program, *arguments = shlex.split(command)
    assert program == "./launch.sh", command
    environment = os.environ | {"PYTHONPATH": str(folder), "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = ""
    done = subprocess.run(
        [sys.executable, "-m", "resnets.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", HOWTOS, ids=lambda page: page.stem)
def test_a_page_works_as_it_stands(page, copy):
    printed = []
    for language, text in BLOCK.findall(page.read_text("utf-8")):
        if language == "console":
            printed += [run(line, copy) for line in text.splitlines()]
            continue
        found = FILE.match(text)
        assert found, f"{page.name}: a block must say which file it is: {text[:60]!r}"
        place, content = copy / found[2], text[found.end() :]
        if found[1] == "new file":
            assert not place.exists()
            place.write_text(content, "utf-8")
        else:
            place.write_text(place.read_text("utf-8") + "\n\n" + content, "utf-8")
    assert printed
    assert all(printed), "every command of the pages answers on stdout"


@pytest.mark.parametrize("page", HOWTOS, ids=lambda page: page.stem)
def test_a_pages_python_is_python(page):
    for language, text in BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            compile(text, page.name, "exec")


def test_there_is_a_page_for_each_thing_to_add():
    names = {page.stem for page in HOWTOS}
    assert names >= {"howto_model", "howto_data_set", "howto_hardware", "howto_study"}
