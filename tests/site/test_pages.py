"""The written pages: the README is short, links lead somewhere, nothing is stale."""

import json
import re

import pytest

from resnets.cli import generated_pages
from resnets.cli.__main__ import VERBS
from resnets.training.config_file import CHECKOUT

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
GENERATED = {"tables.md", "commands.md", "reference.md", "tutorial.md"}


def test_the_readme_has_fewer_than_200_lines():
    assert len((CHECKOUT / "README.md").read_text("utf-8").splitlines()) < 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert [link for link in missing if link not in GENERATED] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_a_verb(page):
    used = set(re.findall(r"^\./launch\.sh ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))
    assert used <= set(VERBS)


def test_the_command_reference_has_every_verb_and_what_its_help_says():
    text = generated_pages.commands()
    sections = dict(re.findall(r"^## (\w+)\n\n```text\n(.*?)```", text, re.MULTILINE | re.DOTALL))
    assert sections.keys() == set(VERBS)
    for verb, section in sections.items():
        assert section.startswith(f"usage: launch.sh {verb}"), verb
    assert "--hardware" in sections["analyze"]


def test_the_reference_has_every_module_but_the_commands():
    text = "".join(map(generated_pages.reference, generated_pages.parts()))
    found = set(re.findall(r"automodule:: (\S+)", text))
    files = (CHECKOUT / "resnets").rglob("*.py")
    names = {".".join(f.relative_to(CHECKOUT).with_suffix("").parts) for f in files}
    wanted = {name.removesuffix(".__init__") for name in names} - {"resnets"}
    assert found == {name for name in wanted if not name.startswith("resnets.cli")}


def test_every_measured_table_is_on_its_page():
    text = generated_pages.tables()
    for file in (CHECKOUT / "experiments" / "results").glob("*.csv"):
        assert f"\n## {file.stem}\n" in text


def test_the_tutorial_is_stored_without_outputs():
    notebook = json.loads((CHECKOUT / "experiments" / "tutorial.ipynb").read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert 8 <= len(code) <= 12, "about ten cells"
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
