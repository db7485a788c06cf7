"""What a sequence is compared with: its dinucleotide shuffles."""
