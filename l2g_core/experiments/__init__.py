"""Experiments: what to train on which data, as small TOML files with only what differs from the defaults.

``options`` has the sections, ``resolve`` combines defaults, data set, file and flags, ``write`` stores the result of
that beside the results, ``stages`` runs it. Nothing is imported here: ``l2g --help`` reads this package.
"""
