"""Figures as documents print them, and numbers as people read them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from archcalc.units import binary, read_figure, scaled, with_separators


@pytest.mark.parametrize(
    ("printed", "scale", "value", "half"),
    [
        ("1000", 1, 1000, 0),  # whole and without a unit: exact
        ("151,277,313", 1, 151_277_313, 0),
        ("2.7K", 1, 2_700, 50),
        ("112K", 1, 112_000, 500),
        ("34M", 1, 34_000_000, 500_000),
        ("0.39B", 1, 390_000_000, 5_000_000),
        ("11.3G", 1, 11_300_000_000, 50_000_000),
        ("1T", 1, 10**12, 5 * 10**11),
        ("1.8×10^9", 1, 1_800_000_000, 50_000_000),
        ("1.8×10⁹", 1, 1_800_000_000, 50_000_000),
        ("1.8 x 10^9", 1, 1_800_000_000, 50_000_000),
        ("25.0×10^6", 1, 25_000_000, 50_000),
        ("5×10⁻¹", 1, Fraction(1, 2), Fraction(1, 20)),
        ("11.78", 10**6, 11_780_000, 5_000),  # in a column whose unit is millions
        ("23", 10**6, 23_000_000, 500_000),
        ("~60M", 1, 60_000_000, 500_000),
        ("≈1200", 1, 1_200, Fraction(1, 2)),
        ("1.0", 1, 1, Fraction(1, 20)),
        (" 138 M ", 1, 138_000_000, 500_000),
    ],
)
def test_a_figure_is_read(printed: str, scale: int, value: Fraction, half: Fraction) -> None:
    figure = read_figure(printed, scale)
    assert figure is not None
    assert (figure.value, figure.half) == (value, half)
    assert figure.exact == (half == 0)


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "-",
        "n/a",
        "138 Mio",
        "1,00",
        "1.2.3",
        "-5",
        "1e9",
        "5 %",
        "1×10⁻⁻",
        "1×10^999",
        "1" * 21,
        "1" + ",000" * 7,
        "½",
    ],
)
def test_what_is_no_figure_is_none(printed: str) -> None:
    assert read_figure(printed) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [(138357544, "138,357,544"), (0, "0"), (Fraction(7, 2), "3.5"), (Fraction(4, 2), "2"), (Fraction(1, 3), "0.333")],
)
def test_numbers_get_separators(value: Fraction, shown: str) -> None:
    assert with_separators(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, ("0", "")),
        (9_408, ("9,408", "")),
        (23_456, ("23.5", "K")),
        (15_470_264_320, ("15.5", "G")),
        (138_357_544, ("138", "M")),
        (1_000_000, ("1.00", "M")),
    ],
)
def test_a_number_gets_its_decimal_unit(value: int, shown: tuple[str, str]) -> None:
    assert scaled(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, ("0", "B")), (1023, ("1023", "B")), (1024, ("1.00", "KiB")), (26_292_224, ("25.1", "MiB"))]
)
def test_bytes_get_their_binary_unit(value: int, shown: tuple[str, str]) -> None:
    assert binary(value) == shown
