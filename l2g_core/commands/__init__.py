"""The commands of ``l2g``, one file each: the only place, with ``cli`` and ``console``, that knows click.

Nothing heavy is imported until a command runs, so that ``l2g --help`` answers at once.
"""
