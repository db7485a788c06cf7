"""The commands of ``l2g-interp``: the only place, with ``cli``, that knows click.

Nothing heavy is imported until a command runs, so that ``l2g-interp --help`` answers at once.
"""
