"""How numbers and names are said, on a page and on a terminal alike."""

import re


def percent(share: float) -> str:
    """A share in words that never round up to certainty or down to nothing."""
    if share >= 0.9995:
        return "100%" if share == 1 else ">99.9%"
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def whole_percent(share: float) -> str:
    """The same in whole percents, with a tenth where a whole one would be all or nothing."""
    return f"{share:.0%}" if share in (0, 1) or 0.005 < share < 0.995 else percent(share)


def counted(count: int, noun: str) -> str:
    """So many of what a noun names, which takes an s where there are more or none."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def whole_number(text: str) -> int | None:
    """The number that a text from outside stands for; None where it is none of at most eight digits."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None


def with_article(digit: int) -> str:
    """A digit as a sentence names it: "a 7", "an 8"."""
    return f"{'an' if digit == 8 else 'a'} {digit}"


def as_code(text: str) -> str:
    """A text from outside in Markdown, letter by letter: nothing in it may become a link."""
    shown = printable(text).replace("`", "'")
    return f"`{shown[:40]}`"


def as_written(text: str) -> str:
    """A text from outside in Markdown among other words: its signs are shown, and mean nothing."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def printable(name: str) -> str:
    """A file's name without what would break a line or command a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def brief(name: str) -> str:
    """The same where there is little room.

    The end stays: it tells what kind of file it is.
    """
    shown = printable(name)
    return shown if len(shown) <= 80 else f"{shown[:50]} … {shown[-25:]}"
