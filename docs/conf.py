"""How Sphinx builds these pages; ``make docs`` does it, and takes every warning for an error."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ |= {  # before Airflow is imported: it makes files in its home
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
}
sys.path.insert(0, str(Path(__file__).with_name("_ext")))

from airflow_wechat import __version__  # noqa: E402

project = "airflow-provider-wechat"
author = "The developers of airflow-provider-wechat"
version = release = __version__
html_title = f"{project} {release}"

extensions = ["from_code", "myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "_ext"]
templates_path: list[str] = []

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"

nitpicky = True
# What is not ours has no page here, and a build needs no network to look for it.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!airflow_wechat).*"),
    (
        r"py:.*",
        r"airflow_wechat\.(client\.(assembly|base_url|routes|secret|tokens|transport)|storage\.values).*",
    ),
]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["own.css"]
html_theme_options = {"navigation_with_keys": True}
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"
