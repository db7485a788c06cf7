"""How good a model is: checks of labels, predictions, metrics, plots."""
