"""How Sphinx builds the documentation: `make docs`.

The pages of `tutorial/` are notebooks in MyST: they are executed, and what they show is what the
page shows. Equations become MathML, so that a page needs no script and nothing from outside.
"""

from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import foveate

project = "Foveate"
author = "The Foveate developers"
copyright = "The Foveate developers"
release = version = foveate.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
# The .ipynb files of the tutorial are made from its pages, and are here to be downloaded.
exclude_patterns = ["_build", "**.ipynb_checkpoints", "tutorial/*.ipynb"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 900  # seconds for a cell: a machine may be busy
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "Foveate"
html_static_path, html_css_files = ["style"], ["foveate.css"]
html_search_scorer = str(Path(__file__).parent / "search_scorer.js")
html_math_renderer = "mathml"


def show_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write an equation within a sentence."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def show_display(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write an equation of its own; a wide one gets a bar to scroll it."""
    equation = convert(node.astext(), display="block")
    translator.body.append(f'<div class="math">{equation}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Let this file write the equations."""
    app.add_html_math_renderer("mathml", (show_inline, None), (show_display, None))
