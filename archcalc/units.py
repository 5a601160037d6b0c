"""Figures as documents print them, and numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod

# Decimal units; a reading may say that K is 1024.
UNITS = {"": 0, "K": 3, "k": 3, "M": 6, "G": 9, "B": 9, "T": 12}
# Bytes of a number of each type that networks are counted in.
ITEMSIZE = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
FIGURE = re.compile(
    r"(?P<approx>[~≈]\s*)?(?P<digits>\d{1,3}(?:,\d{3}){1,6}|\d{1,20})(?P<decimals>\.\d{1,20})?"
    r"(?:\s*[×x·*]\s*10(?:\^(?P<power>-?\d{1,2})|(?P<super>⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2})))?\s*(?P<unit>[KkMGBT])?"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A printed figure: `value` in base units, and half a unit of its last printed place (0: printed exactly).

    `digits` and `ulp` are the number in front of its unit and one unit of its last place there; `unit` is the letter.
    """

    text: str
    value: Fraction
    half: Fraction
    digits: Fraction
    ulp: Fraction
    unit: str

    @property
    def number(self) -> int | Fraction:
        """The value, as an integer where it is whole."""
        return int(self.value) if self.value.denominator == 1 else self.value

    @property
    def exact(self) -> bool:
        return self.half == 0

    def under(self, units: Mapping[str, int]) -> tuple[Fraction, Fraction]:
        """The value and half of its last place where letters stand for other numbers, as K for 1,024."""
        if self.unit not in units:
            return self.value, self.half
        return self.digits * units[self.unit], self.ulp * units[self.unit] / 2


PRODUCT = re.compile(r"[0-9]{1,9}(?:\s*[×x·*]\s*[0-9]{1,9}){1,11}")


@lru_cache(maxsize=1024)
def read_figure(text: str, scale: int = 1) -> Figure | None:
    """Read `138M`, `1.8×10^9`, `2.7K`, `151,277,313`, a product such as `28×28×64`, or `11.78` in a column whose unit
    is `scale`; None if it is none.

    A whole number without a unit is exact, and a product; otherwise the last printed place is rounded."""
    match = FIGURE.fullmatch(text.strip())
    if not match:
        if not PRODUCT.fullmatch(text.strip()):
            return None
        product = Fraction(prod(int(factor) for factor in re.findall(r"[0-9]+", text)))
        return Figure(text.strip(), product * scale, Fraction(0), product, Fraction(1), "")
    decimals = match["decimals"] or ""
    digits = Fraction(match["digits"].replace(",", "") + decimals)
    power = int(match["power"] or (match["super"] or "0").translate(SUPERSCRIPTS))
    unit = match["unit"] or ""
    factor = Fraction(10) ** (power + UNITS[unit]) * scale
    ulp = Fraction(1, 10 ** max(0, len(decimals) - 1))
    scaled = bool(decimals or unit or power or scale != 1 or match["approx"])
    return Figure(text.strip(), digits * factor, ulp * factor / 2 if scaled else Fraction(0), digits, ulp, unit)


def with_separators(value: int | Fraction | float) -> str:
    """`138,357,544`; a fraction with up to three decimals."""
    if isinstance(value, Fraction) and value.denominator == 1:
        value = value.numerator
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,.3f}".rstrip("0").rstrip(".")


def as_typed(value: int | Fraction) -> str:
    """A number as a setting is typed: `4.3`; `1/3` where its decimals do not end."""
    places = 0
    rest = value.denominator
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        places = max(places, power)
    if rest != 1 or not places:
        return str(value)
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}d}"
    return f"{'-' * (value < 0)}{digits[:-places]}.{digits[-places:]}"


def scaled(value: float, digits: int = 3) -> tuple[str, str]:
    """A number with its decimal unit: 15470264320 is ('15.5', 'G')."""
    unit = "T" if value >= 1e12 else "G" if value >= 1e9 else "M" if value >= 1e6 else "K" if value >= 1e4 else ""
    number = value / 10.0 ** UNITS[unit]
    if not unit and value == int(value):
        return f"{int(value):,}", ""
    return f"{number:,.{max(0, digits - len(str(int(number))))}f}", unit


def binary(size: float) -> tuple[str, str]:
    """Bytes with their binary unit: 26292224 is ('25.1', 'MiB')."""
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    step = 0
    while size >= 1024 and step < len(units) - 1:
        size /= 1024
        step += 1
    return (f"{int(size)}" if step == 0 else f"{size:.{max(0, 3 - len(str(int(size))))}f}"), units[step]


SIZE = re.compile(
    r"(?P<number>[0-9]{1,20}(?:\.[0-9]{1,20})?)\s*(?:(?P<prefix>[KMGTP])(?P<binary>i?))?B?", re.IGNORECASE
)


def read_size(text: str) -> int | None:
    """Bytes: `4GiB` is 4 · 1024³, `4GB` 4 · 1000³, `512` 512; a part of a byte is cut. None where it is no size.

    `4G` is none: it does not say which of the two."""
    match = SIZE.fullmatch(text.strip())
    if not match or (match["prefix"] and not text.strip().lower().endswith("b")):
        return None
    step = 1024 if match["binary"] else 1000
    power = " KMGTP".index((match["prefix"] or " ").upper())
    return int(Fraction(match["number"]) * step**power)


NUMBER = re.compile(r"\s*[+-]?[0-9]{0,19}(\.[0-9]{0,19})?(e[+-]?[0-9]{1,2})?(/[0-9]{1,19})?\s*", re.IGNORECASE)


def read_number(text: str) -> Fraction:
    """A number that somebody types: `10`, `0.5`, `1e-3`, `3/4`. Raises ValueError that says what is wrong, also for one
    that would be long if it were written out, as `1e99999999`."""
    try:
        return Fraction(text if NUMBER.fullmatch(text) else "")
    except (ValueError, ZeroDivisionError):
        raise ValueError("Numbers have at most 19 digits, and two in a power of ten: 10, 0.5, 1e-3, 3/4.") from None


def cut(text: str, most: int = 40) -> str:
    """`text`, and of a long one its beginning."""
    return text if len(text) <= most else text[:most] + "…"


def same(a: str, b: str) -> bool:
    """Whether two printed words are the same but for spaces and ×/x."""
    return squeeze(a) == squeeze(b)


@lru_cache(maxsize=4096)
def squeeze(text: str) -> str:
    """`text` without spaces and with x for ×: what two printed words are compared by."""
    return "".join(text.split()).replace("×", "x")
