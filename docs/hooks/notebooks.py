"""The notebooks as pages, with the outputs that are stored in them; nothing is executed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path in sorted(FOLDER.glob("*.ipynb")):
        pictures: dict[str, bytes] = {}
        page = "\n\n".join(_page(path, pictures)) + "\n"
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def _page(path: Path, pictures: dict[str, bytes]) -> Iterator[str]:
    cells = nbformat.read(path, as_version=4).cells
    title, _, rest = cells[0].source.partition("\n")
    yield title
    yield f"*This page is `notebooks/{path.name}` with its stored outputs; open the file to change and run it.*"
    yield rest
    for cell in cells[1:]:
        if cell.cell_type == "markdown":
            yield cell.source
        elif cell.cell_type == "code":
            yield f"```python\n{cell.source}\n```"
            for output in cell.outputs:
                yield _output(output, path.stem, pictures)


def _output(output: NotebookNode, stem: str, pictures: dict[str, bytes]) -> str:
    """Markdown for one output; a picture becomes a file of its own."""
    if output.output_type == "stream":
        return f"```{{.text .output}}\n{output.text.rstrip()}\n```"
    data = output.data
    if "image/png" in data:
        name = f"{stem}_{len(pictures) + 1}.png"
        pictures[name] = base64.b64decode(data["image/png"])
        return f"![Output of the cell above]({name})"
    if "text/html" in data:
        return f'<div class="output" markdown="0">\n{data["text/html"]}\n</div>'
    return f"```{{.text .output}}\n{data['text/plain']}\n```"
