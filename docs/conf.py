"""Sphinx: `make docs` builds the pages of this folder into docs/_build/html.

Links to files outside of this folder become the names of these files, since the site does not hold
them. One that leads nowhere is a warning, and warnings are errors. Docstrings are Markdown: code,
tables, and signs with a meaning in reStructuredText are translated. Notebooks become Markdown with
their outputs.
"""

import json
import re
from importlib.metadata import version as version_of
from itertools import groupby
from pathlib import Path

from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[1]
CODE = re.compile(r"(`[^`]+`)")
OUTSIDE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#]+)\)")

project = "ttc-gym"
author = "ttc-gym contributors"
version = release = version_of("ttc-gym")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown", ".ipynb": "markdown"}
exclude_patterns = ["_build"]
linkcheck_anchors_ignore_for_url = [r"https://github\.com/.*"]  # made by scripts of the page
linkcheck_timeout = 20
html_theme = "furo"
html_title = f"ttc-gym {version}"
html_copy_source = False
myst_heading_anchors = 4
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
add_module_names = False


def as_markdown(notebook):
    """A notebook (JSON) as Markdown: cells, and below code what it gave."""
    parts = []
    for cell in json.loads(notebook)["cells"]:
        text = "".join(cell["source"])
        code = cell["cell_type"] == "code"
        parts.append(f"```python\n{text}\n```" if code else text)
        parts += [shown(output) for output in cell.get("outputs", [])]
    return "\n\n".join(parts) + "\n"


def shown(output):
    """What a cell gave: a picture, or text."""
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"].split())
        return f"![What the code above draws](data:image/png;base64,{picture})"
    text = output.get("text", data.get("text/plain", ""))
    return f"```text\n{''.join(text).rstrip()}\n```"


def name_outside(app, page, source):
    """Put the names of files in the place of links to them; notebooks become Markdown first."""
    path = Path(app.env.doc2path(page))
    if path.suffix == ".ipynb":
        source[0] = as_markdown(source[0])
    folder = path.parent

    def name(match):
        words, target = match.groups()
        path = (folder / target).resolve()
        if path.is_relative_to(ROOT / "docs"):
            return match[0]
        if not path.exists():
            logging.getLogger(__name__).warning("%s links to %s, which is not there", page, target)
        shown = path.relative_to(ROOT).as_posix()
        return words if shown in words else f"{words} (`{shown}`)"

    source[0] = OUTSIDE.sub(name, source[0])


def translate(app, what, name, thing, options, lines):
    """A docstring as reStructuredText, in place: tables stand as they are."""
    translated = []
    for table, group in groupby(lines, key=lambda line: line.lstrip().startswith("|")):
        if table:
            translated += ["::", "", *(f"   {line}" for line in group), ""]
        else:
            translated += marked("\n".join(group)).split("\n")
    lines[:] = translated


def marked(text):
    """A text with double backticks around code, and signs outside of it escaped."""
    parts = CODE.split(text)
    return "".join(
        f"`{part}`" if part.startswith("`") else re.sub(r"([|*])", r"\\\1", part) for part in parts
    )


def setup(app):
    """Register what is ours; docstrings are translated before napoleon reads them."""
    app.connect("source-read", name_outside)
    app.connect("autodoc-process-docstring", translate, priority=400)
