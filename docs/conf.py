"""How Sphinx builds the documentation; `./launch.sh docs` prepares the pages and calls it."""

import resnets

project = "What depth buys, and what it costs"
author = "the resnets authors"
version = release = resnets.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
highlight_language = "text"  # fences without a language are tables and commands
include_patterns = ["docs/**"]
root_doc = "docs/index"

html_theme = "furo"
html_title = "What depth buys, and what it costs"
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0063a0", "color-brand-content": "#0063a0"},
    "dark_css_variables": {"color-brand-primary": "#5fbcf5", "color-brand-content": "#5fbcf5"},
}
html_permalinks = False

myst_heading_anchors = 4
default_role = "code"  # docstrings mark code with single backticks

# Types of signatures are short names, and several modules may have one of that name.
suppress_warnings = ["ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # otherwise every attribute would be described twice
napoleon_use_rtype = False
napoleon_attr_annotations = False  # the signature of the class has them

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
