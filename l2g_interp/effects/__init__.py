"""What the model does when a motif is put in: planting into shuffled backgrounds, and randomised weights."""
