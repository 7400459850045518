"""How an amount of money is written. Owns the digits; what something cost is said by others."""

import math


def dollars(value: float) -> str:
    """Dollars, in three digits where it is few: ``$1,204``, ``$12.50``, ``$0.0123``, ``$0.00000025``."""
    if value >= 1000:
        return f"${value:,.0f}"
    if value >= 1 or value <= 0:
        return f"${value:,.2f}"
    whole, _, places = f"{value:.{2 - math.floor(math.log10(value))}f}".rstrip("0").partition(".")
    return f"${whole}.{places:0<2}"
