"""Formatting of numbers for people: pages and pictures."""

from __future__ import annotations

import math

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def format_number(value: float, digits: int = 3) -> str:
    """Few significant digits, a real minus sign, ``×10⁻⁷`` instead of ``e-07``, a dash for NaN."""
    if math.isnan(value):
        return "–"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return mantissa.replace("-", "−") + (f"×{power_of_ten(int(exponent))}" if exponent else "")


def signed(value: float, digits: int = 3) -> str:
    """As `format_number`, with a plus sign where there is no minus sign."""
    return ("+" if value > 0 else "") + format_number(value, digits)


def fixed(value: float, decimals: int) -> str:
    """With a sign and a fixed number of decimals, so that a column of numbers lines up."""
    if math.isnan(value):
        return "–"
    text = f"{abs(value):.{decimals}f}"
    return text if float(text) == 0 else ("−" if value < 0 else "+") + text


def decimals_for(largest: float) -> int:
    """How many decimals suit numbers up to ``largest``: two around 1, fewer above, more below."""
    if not (largest > 0 and math.isfinite(largest)):
        return 2
    power = math.floor(math.log10(largest))
    return max(0, 2 - power if power >= 0 else 1 - power)


def power_of_ten(exponent: int) -> str:
    return f"10{str(exponent).translate(SUPERSCRIPTS)}"


def shortened(text: str, length: int = 60) -> str:
    """A long name cut to fit into pictures and tooltips; tables have it in full."""
    return text if len(text) <= length else text[: length - 1] + "…"
