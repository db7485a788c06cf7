"""Language-to-Genome models: DNA in, predictions out. Knows nothing of motifs or reports."""
