"""What the stages pass to each other, in memory (``types``) and on disk."""
