"""What every long job shares: the identity of the work, lock, journal, checkpoint, atomic writes, preparing Ray."""
