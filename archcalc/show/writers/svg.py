"""A picture as SVG to stand in a page, in a third of the bytes: every line, place, colour and text as it was, to a
hundredth of a point."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from zlib import crc32

TAGS = re.compile(r"(<[^>]*>)")
ATTRIBUTE = re.compile(r' ([\w:-]+)="([^"]*)"')
REFERENCE = re.compile(r'url\(#([^)]*)\)|href="#([^"]*)"')
NUMBER = re.compile(r"\d+\.\d+")
STEP = re.compile(r"([MLCQZz])|(-?[\d.]+(?:e-?\d+)?)")
EVERYWHERE = "*{stroke-linejoin: round; stroke-linecap: butt}"  # which the page says of all pictures


def small(svg: str, named: Callable[[str], bool]) -> str:
    """The picture from its first tag on; `named` are the ids that somebody looks for, beside those that it uses itself.
    A style that stands there more than once is a class, which goes by what it says: pictures of a page share it."""
    pieces = TAGS.split(svg)
    used = {"".join(found) for tag in pieces[1::2] for found in REFERENCE.findall(tag)}
    tags = [_tag(tag, lambda name: name in used or named(name)) for tag in pieces[1::2]]
    often = Counter(about["style"] for _, about in tags if "style" in about)
    shared = {style: f"s{crc32(style.encode()):x}" for style, count in often.items() if count > 1}
    rules = "".join(f".{name}{{{style}}}" for style, name in shared.items())
    return "".join(_written(pieces[2::2], tags, shared, f"<style>{rules}</style>" if rules else ""))


Tag = tuple[str, dict[str, str]]  # its name, `/g` at its end, and its attributes


def _tag(tag: str, named: Callable[[str], bool]) -> Tag:
    about = dict(ATTRIBUTE.findall(tag))
    name = re.match(r"</?[\w:]+|<[!?]", tag)
    found = {}
    for key, value in about.items():
        if key == "d":
            value = path(value)
        elif key not in ("id", "xlink:href") and not key.startswith("xmlns"):
            value = NUMBER.sub(lambda number: _plain(float(number[0])), value)
        if (key == "id" and not named(value)) or (key == "transform" and value.startswith("rotate(-0 ")):
            continue
        found[key.removeprefix("xlink:")] = value
    if clip := found.pop("clip-path", ""):
        found["style"] = f"{found.get('style', '')};clip-path:{clip}".removeprefix(";")
    if "style" in found:
        found["style"] = re.sub("([:;]) ", r"\1", found["style"])
    return (name[0][1:] if name else "") + "/" * tag.endswith("/>"), found


def _written(texts: list[str], tags: list[Tag], shared: dict[str, str], rules: str) -> Iterator[str]:
    """The tags and what stands between them, but for groups that say nothing and what no page shows."""
    kept: list[bool] = []  # of the groups that are open
    hidden = ""
    for (name, about), text in zip(tags, texts, strict=True):
        if hidden or name in ("metadata", "!"):
            hidden = "" if name in (f"/{hidden}", "!") else hidden or name
            continue
        if style := about.get("style"):
            about = {key: value for key, value in about.items() if key != "style"}
            about |= {"class": shared[style]} if style in shared else {"style": style}
        if name == "g":
            kept.append(bool(about))
        said = kept.pop() if name == "/g" else name != "g/" if name != "g" else kept[-1]
        if said:
            inside = "".join(f" {key}={_quoted(value)}" for key, value in about.items())
            alone = name.endswith("/")
            end = "" if not alone else "/" if inside.endswith('"') else " /"  # no part of a value without quotes
            yield f"<{name.removesuffix('/') if alone else name}{inside}{end}>"
        if name == "svg":
            yield rules
        if text.strip() and text.strip() != EVERYWHERE:
            yield text


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[\w.#-]+", value) else f'"{value}"'


def path(steps: str) -> str:
    """The steps of a path, each from where the one before it ended, in hundredths that add up."""
    found: list[str] = []
    at = start = (0, 0)
    numbers: list[int] = []
    word = last = ""
    for letter, number in STEP.findall(steps):
        if letter:
            word = letter.upper()
            if word == "Z":
                found.append("z")
                at, last = start, "z"
            continue
        numbers.append(round(float(number) * 100))
        if len(numbers) < SPOTS[word]:
            continue
        spots = list(zip(numbers[::2], numbers[1::2], strict=True))
        numbers = []
        moved = [number for x, y in spots for number in (x - at[0], y - at[1])]
        letter = "h" if word == "L" and not moved[1] else "v" if word == "L" and not moved[0] else word.lower()
        moved = moved[:1] if letter == "h" else moved[1:] if letter == "v" else moved
        if letter in "hv" and last == letter and (on := _hundredths(found[-1][1:])) * moved[0] > 0:
            found[-1] = letter + _plain((on + moved[0]) / 100)
        else:
            texts = [_plain(number / 100) for number in moved]
            found.append(letter + texts[0] + "".join(t if t.startswith("-") else f" {t}" for t in texts[1:]))
        at, last = spots[-1], letter
        start = at if word == "M" else start
    return "".join(found)


SPOTS = {"M": 2, "L": 2, "C": 6, "Q": 4}  # numbers of a step


def _hundredths(text: str) -> int:
    return round(float(text) * 100)


def _plain(number: float) -> str:
    """`.5`, `-3.25`, `12`."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    return sign + (text[1:] if text.startswith("0.") else text) if text not in ("0", "") else "0"
