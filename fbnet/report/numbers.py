"""Numbers as people read them."""


def typeset(value: float, decimals: int = 1, *, signed: bool = False) -> str:
    """Format a number with a typographic minus; what rounds to 0 has none.

    Args:
        value: the number.
        decimals: digits after the point.
        signed: write a plus, too.
    """
    sign = "+" if signed else ""
    return f"{value:{sign}z.{decimals}f}".replace("-", "−")
