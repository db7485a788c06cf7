"""Tuning: many trials of an experiment with drawn settings, most of them stopped early (ASHA, Li et al. 2020).

``space`` says what is drawn and from where, ``trial`` runs one trial in a process of its own, ``records`` is what a
trial leaves on disk, ``ray_run`` is the only file that knows Ray, ``prepare`` checks and lays out, ``stage.tune`` runs
and concludes, and ``command`` is ``l2g tune``. Nothing is imported here, for the command line asks for the command
first.
"""
