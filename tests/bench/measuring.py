"""Rounds, medians and the table."""

import statistics
import sys
from dataclasses import dataclass

FIELDS = ("name", "value", "unit", "yardstick", "ratio")


@dataclass
class Plan:
    """What was asked for, and a directory that is removed at the end."""
    names: list
    rounds: int
    seconds: int  # under load, each in a round
    scale: int
    directory: str

    def wants(self, name):
        return name in self.names

    def rows(self, count):
        """A number of stored rows, scaled."""
        return max(count // self.scale, 1000)


@dataclass
class Row:
    """Medians of the rounds; `against` says what the yardstick is, `spread` is of the ratios."""
    name: str
    value: float
    unit: str
    yardstick: float
    ratio: float
    against: str
    spread: tuple


def say(text):
    print(text, file=sys.stderr, flush=True)


def compare(name, unit, against, rounds, yardstick, ours):
    """Measures by turns: two functions that give a figure."""
    say(f"{name}: {rounds} rounds against {against}")
    pairs = []
    for _ in range(rounds):
        pair = yardstick(), ours()
        pairs.append(pair)
        say(f"   yardstick {pair[0]:,.1f}, bccd {pair[1]:,.1f} {unit}: {pair[1] / pair[0]:.2f}")
    return row_of(name, unit, against, pairs)


def row_of(name, unit, against, pairs):
    """A row from pairs of yardstick and bccd."""
    ratios = [ours / theirs for theirs, ours in pairs]
    return Row(name, round(statistics.median(ours for _, ours in pairs), 3), unit,
               round(statistics.median(theirs for theirs, _ in pairs), 3),
               round(statistics.median(ratios), 3), against, (min(ratios), max(ratios)))


def spell(figure):
    return f"{figure:,.0f}" if figure >= 1000 else f"{figure:.1f}"


def print_table(rows):
    lines = [("row", "bccd", "yardstick", "unit", "ratio", "least-most", "against")]
    lines += [(row.name, spell(row.value), spell(row.yardstick), row.unit, f"{row.ratio:.2f}",
               f"{row.spread[0]:.2f}-{row.spread[1]:.2f}", row.against) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        cells = [text.rjust(width) if place in (1, 2, 4) else text.ljust(width)
                 for place, (text, width) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())
