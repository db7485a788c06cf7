"""Hyperparameter tuning: trials of an experiment with random settings, poor ones stopped early (ASHA, Li et al. 2020).

``space`` says what is drawn and from which range, ``trial`` runs one trial in its own process, ``records`` is what a
trial leaves on disk, ``ray_run`` is the only file that uses Ray, ``prepare`` checks the settings and sets up the
trials' folders, and ``stage.tune`` runs them and chooses the best. Nothing is imported here, because the command line
must not import Ray or torch.
"""
