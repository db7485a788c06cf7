"""DeepLIFT at the level of torch operations: exact on any unmodified torch model."""

from l2g_interp.attributions.deeplift.method import deep_lift_shap

__all__ = ["deep_lift_shap"]
