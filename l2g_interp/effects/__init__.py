"""What the model does when motifs are put in or taken out: planting, pairs, removals; and randomised weights."""
