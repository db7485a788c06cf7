"""Expert networks to compare with."""
