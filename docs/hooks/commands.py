"""A page for each program, with the help of every command as the terminal shows it; made afresh in every build."""

from __future__ import annotations

from collections.abc import Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from l2g_core.cli import main as l2g
from l2g_interp.cli import main as l2g_interp

PROGRAMS = {"l2g": l2g, "l2g-interp": l2g_interp}
WIDTH = 84


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, program in PROGRAMS.items():
        page = "\n".join(page_of(name, program))
        files.append(File.generated(config, f"reference/commands/{name}.md", content=page))
    return files


def page_of(name: str, program: click.Group) -> Iterator[str]:
    """Markdown: the program's own help, then that of each command."""
    context = program.context_class(program, info_name=name, terminal_width=WIDTH)
    yield f"# The command {name}\n"
    yield from _block(program.get_help(context))
    for command in program.list_commands(context):
        found = program.get_command(context, command)
        assert found is not None
        yield f"## {name} {command}\n"
        inner = found.context_class(found, info_name=command, parent=context, terminal_width=WIDTH)
        yield from _block(found.get_help(inner))


def _block(text: str) -> Iterator[str]:
    yield f"```text\n{click.unstyle(text)}\n```\n"
