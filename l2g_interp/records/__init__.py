"""What the stages hand to each other, in memory (``types``) and on disk."""
