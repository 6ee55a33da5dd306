"""The report: complete, self-contained, the same in both forms, and safe with whatever stands in the results."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from measurements import MB, model, results
from typer.testing import CliRunner

from workbench.bench import report
from workbench.bench.advice import Needs, advise
from workbench.bench.results import Results
from workbench.commands import application
from workbench.cost.prices import CostError, PriceTable

PROJECT = Path(__file__).parents[2]
TABLE = PriceTable.read()
NEEDS = Needs(requests_per_month=(10_000, 1_000_000))
FULL = results(
    {"efs": 900, "s3": 700, "oci": 500},
    models=(model(), model("nlp2", size=68 * MB, precision="int8")),
    plain=True,
)


class Page(HTMLParser):
    """Which elements a page has, what they refer to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.labels: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "data", "action") and value:
                self.references.append(value)
            if name == "aria-label" and tag == "svg":
                self.labels.append(value or "")
            if name == "id" and value:
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        self.text += data


@cache
def full() -> str:
    """The page of `FULL`, drawn once: charts take a second or two."""
    return html(FULL)


def html(measured: Results) -> str:
    return report.html(measured, NEEDS, TABLE, "us-east-1")


def test_the_page_needs_nothing_but_itself() -> None:
    page = Page(full())
    assert all(reference.startswith(("#", "data:,")) for reference in page.references)
    assert "script" not in page.tags
    assert "link" in page.tags
    assert not re.search(r"@import|url\((?!#)", full())
    assert "default-src 'none'" in full()


def test_the_page_has_every_chart_with_words_for_those_who_do_not_see_it() -> None:
    labels = Page(full()).labels
    assert len(labels) == 4
    assert "nlp1 on OCI 490 ms" in labels[0]
    assert "plain handler" in labels[0]
    assert "Median latency" in labels[1]
    assert "6 steps had errors" in labels[2]
    assert "break-even" in labels[3]


def test_an_id_belongs_to_one_element() -> None:
    ids = Page(full()).ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_both_forms_say_what_was_concluded_and_on_what_grounds(form: str) -> None:
    shown = Page(full()).text if form == "html" else report.markdown(FULL, NEEDS, TABLE, "us-east-1")
    advice = advise(FULL, NEEDS, TABLE.of("us-east-1"))
    for choice in advice.choices:
        assert f"{choice.requests:,.0f} requests a month" in shown
        for sentence in (*choice.reasons, *choice.changes):
            assert sentence in shown
    for finding in advice.findings:
        assert finding.sentence in shown
    for text in ("laptop", "onnxruntime", "python -m workbench bench --json bench.json", "as of 20", "nlp2", "490 ms"):
        assert text in shown
    assert "times faster" in shown


def test_markdown_has_tables_that_markdown_reads_as_tables() -> None:
    lines = report.markdown(FULL, NEEDS, TABLE, "us-east-1").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("| ---"):
            header, first = lines[number - 1], lines[number + 1]
            assert header.count("|") == line.count("|") == first.count("|")
            assert lines[number - 2] == ""
    assert sum(line.startswith("| ---") for line in lines) == 7


def test_a_run_without_throughput_and_baselines_has_no_empty_sections() -> None:
    measured = results({"s3": 700, "oci": 500}).model_copy(update={"throughput": []})
    assert "Throughput" not in Page(html(measured)).text
    assert "times faster" not in html(measured)
    assert len(Page(html(measured)).labels) == 3


@pytest.mark.parametrize(("missing", "says"), [("cold", "no cold starts of efs"), ("warm", "no warm requests of efs")])
def test_what_was_not_measured_is_said_and_the_rest_is_shown(missing: str, says: str) -> None:
    measured = FULL.model_copy(update={missing: []})
    page = Page(html(measured))
    assert f"There is no advice and no cost, for want of figures. The results have {says}" in page.text
    assert "Throughput" in page.text
    assert "requests a month" not in page.text
    assert len(page.labels) == 2
    assert says in report.markdown(measured)
    assert "## Cost" not in report.markdown(measured)


def test_names_are_text_and_never_markup() -> None:
    hostile = FULL.model_copy(update={"command": "bench '<img src=x onerror=alert(1)>'", "network": 'a" onload="x'})
    page = html(hostile)
    assert "<img" not in page
    assert "&lt;img src=x" in page
    named = results({"s3": 700}, models=(model('x"><script>'),))
    assert "script" not in Page(html(named)).tags


def test_the_same_results_give_the_same_page() -> None:
    assert html(FULL) == full()


def test_a_region_without_prices_is_a_sentence() -> None:
    with pytest.raises(CostError, match="no prices for region 'mars-1'"):
        report.html(FULL, NEEDS, TABLE, "mars-1")


def test_the_commands_write_and_print_what_the_functions_return(tmp_path: Path) -> None:
    FULL.write(tmp_path / "bench.json")
    run = CliRunner().invoke
    files = ["--html", str(tmp_path / "a.html"), "--markdown", str(tmp_path / "a.md")]
    expected = ["-n", "10000", "-n", "1e6"]
    assert run(application, ["report", "--bench", str(tmp_path / "bench.json"), *files, *expected]).exit_code == 0
    assert (tmp_path / "a.html").read_text() == full()
    assert (tmp_path / "a.md").read_text() == report.markdown(FULL, NEEDS, TABLE, "us-east-1")
    said = run(application, ["advise", "--bench", str(tmp_path / "bench.json"), *expected], env={"COLUMNS": "400"})
    assert "10,000 requests a month: OCI" in said.output
    assert "What would change it" in said.output


def test_no_other_command_waits_for_the_charts_to_be_imported() -> None:
    check = "import workbench.commands, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=PROJECT, check=False).returncode == 0


def test_without_more_the_report_takes_what_is_usual() -> None:
    assert report.markdown(FULL) == report.markdown(FULL, NEEDS, TABLE, "us-east-1")


def test_a_report_that_goes_nowhere_is_refused(tmp_path: Path) -> None:
    FULL.write(tmp_path / "bench.json")
    said = CliRunner().invoke(application, ["report", "--bench", str(tmp_path / "bench.json")], env={"COLUMNS": "200"})
    assert said.exit_code == 2
    assert "give --html FILE" in said.output


def test_the_recorded_example_is_what_the_command_writes() -> None:
    recorded = Results.read(PROJECT / "docs" / "example-bench.json")
    assert report.markdown(recorded) == (PROJECT / "docs" / "example-report.md").read_text(encoding="utf-8")
    # Of the page, the words: coordinates may differ in the last digit from one machine to another.
    page = (PROJECT / "docs" / "example-report.html").read_text(encoding="utf-8")
    assert Page(report.html(recorded)).text.split() == Page(page).text.split()
