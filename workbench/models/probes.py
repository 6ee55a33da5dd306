"""What models are asked when a bundle is proven: texts and questions from one word to several windows, in many scripts.

The texts lie in probes.json. Longer ones are put together from them here, because a bundle must be right beyond the
length that was used to export it, and beyond one window.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).with_name("probes.json")


class Probe(NamedTuple):
    """A text and a question about it; tasks without questions leave it out."""

    text: str
    question: str


@cache
def probes() -> tuple[Probe, ...]:
    """All probes, in an order that mixes short with long ones."""
    passages = json.loads(_FILE.read_text(encoding="utf-8"))
    texts = [passage["text"] for passage in passages]
    found = [Probe(passage["text"], question) for passage in passages for question in passage["questions"]]
    # From the second one on, what is asked about is pushed back by ever more text before it.
    long = [
        Probe("\n".join([*texts[3 : 3 + before], passage["text"], *texts[-2:]]), passage["questions"][0])
        for before, passage in enumerate(passages[3:15:2], start=1)
    ]
    step = len(found) // len(long)
    for place, probe in enumerate(long):
        found.insert(place * (step + 1), probe)
    return tuple(found)
