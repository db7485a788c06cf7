"""How good a model is: labels that fit, predictions, metrics, plots."""
