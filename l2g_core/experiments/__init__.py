"""Experiments: what to train on which data, as small TOML files that hold only what differs from the defaults.

``options`` has the sections, ``resolve`` puts defaults, data set, file and flags together, ``write`` puts the outcome
beside the results, ``command`` is the command line. Nothing is imported here: ``l2g --help`` reads this package.
"""
