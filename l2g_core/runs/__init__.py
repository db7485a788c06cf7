"""What every long job shares: identity, lock, resume, journal, whole files, Ray's start-up."""
