"""The commands of ``l2g-interp``: with ``cli`` the only place that uses click.

Nothing slow is imported until a command runs, so that ``l2g-interp --help`` answers at once.
"""
