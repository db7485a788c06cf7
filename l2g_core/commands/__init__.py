"""The commands of ``l2g``, one file each: with ``cli`` and ``console`` the only place that uses click.

Nothing slow is imported until a command runs, so that ``l2g --help`` answers at once.
"""
