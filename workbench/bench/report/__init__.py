"""The report of a benchmark: one HTML file that needs nothing else, and the same in Markdown.

What is in it comes from `content` and `charts`; how it looks is in the templates beside.
"""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from workbench.bench.advice import Needs
from workbench.bench.report import charts
from workbench.bench.report.content import content
from workbench.bench.results import Results
from workbench.cost.prices import PriceTable

# What a report is about when nobody says.
USUAL, REGION = Needs(), "us-east-1"

_FOLDER = Path(__file__).parent

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=jinja2.select_autoescape(["html.j2"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def _code(text: str) -> Markup:
    """Text for the page in which what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


_PAGES.filters["code"] = _code


def html(results: Results, needs: Needs = USUAL, table: PriceTable | None = None, region: str = REGION) -> str:
    """The report as one HTML page: charts as SVG, no script, nothing that has to be fetched, light and dark.

    `needs` is what is expected of the endpoint, `table` has the prices (without one, those of workbench/cost).

    Raises:
        CostError: the table has no prices for `region`, or an architecture was measured in part only.
    """
    shown = content(results, needs, table or PriceTable.read(), region)
    drawn = {
        "cold": charts.cold_starts(results),
        "latency": charts.latencies(results),
        "throughput": charts.throughput(results),
        "cost": charts.cost(shown.curves, shown.comparisons, needs),
    }
    return _PAGES.get_template("page.html.j2").render(
        **vars(shown),
        charts={name: Markup(chart) for name, chart in drawn.items() if chart},  # noqa: S704 - our own drawings
        style=Markup((_FOLDER / "style.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    )


def markdown(results: Results, needs: Needs = USUAL, table: PriceTable | None = None, region: str = REGION) -> str:
    """The report as Markdown, with tables in place of charts; raises as `html` does."""
    return _PAGES.get_template("page.md.j2").render(**vars(content(results, needs, table or PriceTable.read(), region)))
