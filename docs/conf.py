"""How the documentation is built: Sphinx, furo, and pages in Markdown."""

from importlib.metadata import version as installed_version

project = "drivetrain"
author = "The drivetrain authors"
project_copyright = "The drivetrain authors. Apache-2.0"
version = release = installed_version("drivetrain")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

html_theme = "furo"
html_title = "drivetrain"
html_show_sphinx = False
html_copy_source = False
