"""Tables of a run in a document: each in its place, and the text around it as it was."""

from __future__ import annotations

import pytest
from test_targets import RESULTS

from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.tables import TABLES, fill


def place(name: str, content: str = "from before\n") -> str:
    return f"<!-- bench: speed/{name} -->\n{content}\n<!-- end of bench -->"


def test_tables_take_their_places_and_nothing_else_changes() -> None:
    document = f"# Speed\n\n{place('cold')}\n\nbetween\n\n{place('overhead')}\nend\n<!-- bench: other/cold -->\n"
    filled = fill(document, RESULTS, "speed")
    assert "from before" not in filled
    assert filled.startswith("# Speed\n\n<!-- bench: speed/cold -->\n\n| ")
    assert filled.endswith("<!-- end of bench -->\nend\n<!-- bench: other/cold -->\n")
    assert "\n\nbetween\n\n" in filled
    assert "| plain handler | s3 | 4500 (4500 to 4500) |" in filled
    assert "| m-int8 | 175 | 50.0 (49.0 to 51.0) | 48.0 (47.0 to 49.0) | 48.0 (40.0 to 48.0) | 2.0 | 4.0% |" in filled
    assert fill(filled, RESULTS, "speed") == filled


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_a_table_or_a_sentence(name: str) -> None:
    lines = TABLES[name](RESULTS).splitlines()
    columns = {line.count("|") for line in lines}
    assert len(columns) == 1, lines


@pytest.mark.parametrize(
    ("document", "sentence"),
    [(place("beauty"), "There is no table 'beauty'"), ("<!-- bench: speed/cold -->\n| open\n", "is not closed")],
)
def test_a_place_that_is_none_is_refused(document: str, sentence: str) -> None:
    with pytest.raises(MeasuringError, match=sentence):
        fill(document, RESULTS, "speed")
