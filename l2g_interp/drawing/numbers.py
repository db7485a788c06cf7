"""Numbers as people write them, for pages."""

from __future__ import annotations

import math

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def figure(value: float, digits: int = 3) -> str:
    """Few digits, a real minus sign, powers of ten spelt out, a dash where there is no number."""
    if math.isnan(value):
        return "–"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return mantissa.replace("-", "−") + (f"×{power_of_ten(int(exponent))}" if exponent else "")


def signed(value: float, digits: int = 3) -> str:
    """As `figure`, with a plus sign where there is no minus sign."""
    return ("+" if value > 0 else "") + figure(value, digits)


def fixed(value: float, decimals: int) -> str:
    """With its sign and as many decimals as its neighbours, so that a column of numbers lines up."""
    if math.isnan(value):
        return "–"
    text = f"{abs(value):.{decimals}f}"
    return text if float(text) == 0 else ("−" if value < 0 else "+") + text


def decimals_for(largest: float) -> int:
    """Decimals that tell numbers up to ``largest`` apart: two about 1, fewer above, more below."""
    if not (largest > 0 and math.isfinite(largest)):
        return 2
    power = math.floor(math.log10(largest))
    return max(0, 2 - power if power >= 0 else 1 - power)


def power_of_ten(exponent: int) -> str:
    return f"10{str(exponent).translate(SUPERSCRIPTS)}"


def shortened(text: str, length: int = 60) -> str:
    """For pictures and tooltips, where a long name would not fit; tables have it in full."""
    return text if len(text) <= length else text[: length - 1] + "…"
