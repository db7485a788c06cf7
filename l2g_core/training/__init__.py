"""What the three stages share: the epoch loop, augmentation, loss, precision, TensorBoard."""
