"""Figures as people read them: durations, sizes, shares, dollars and lists, in sentences, tables and charts."""

from __future__ import annotations

from collections.abc import Iterable


def duration(milliseconds: float) -> str:
    """`85 ms`, `8.5 ms`, `1.25 s`."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:,.2f} s" if milliseconds < 10_000 else f"{milliseconds / 1000:,.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def megabytes(size: float) -> str:
    """A size in bytes as `850 kB`, `265 MB` or `3.2 GB`."""
    if size >= 1e9:
        return f"{size / 1e9:,.1f} GB"
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def share(part: float) -> str:
    """A share from 0 to 1 in percent, with as many digits as it needs."""
    percent = part * 100
    if percent >= 10:
        return f"{percent:.0f} %"
    if percent >= 0.01 or percent == 0:
        return f"{percent:.2g} %"
    return "less than 0.01 %"


def usd(amount: float) -> str:
    """US dollars, to the cent, or below one cent as `less than $0.01`."""
    return f"${amount:,.2f}" if amount >= 0.005 or amount == 0 else "less than $0.01"


def plural(count: float, noun: str) -> str:
    """`1 model`, `2 models`, `0.5 updates`."""
    return f"{count:,g} {noun}" + ("" if count == 1 else "s")


def listed(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
