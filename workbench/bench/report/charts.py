"""The charts of a report, as SVG for the page: text stays text, and colours are the page's, so that both themes work.

Drawn with matplotlib, in colours that stand for the page's CSS variables and are replaced by them at the end.
"""

from __future__ import annotations

import io
import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from workbench.bench import summaries
from workbench.bench.advice import Needs
from workbench.bench.results import PHASES, Results, Throughput
from workbench.bench.summaries import ARCHITECTURES, VARIANTS, Summary
from workbench.bench.wording import duration
from workbench.cost.bill import HIGHEST, LOWEST, Comparison

# A colour for each CSS variable of style.css; what they look like is decided there.
_NAMES = ("ink", "muted", "grid", "bad", "paper", *ARCHITECTURES, *(f"phase-{phase}" for phase in PHASES))
_STANDS_FOR = {name: f"#0000{number:02x}" for number, name in enumerate(_NAMES, start=16)}

_WIDTH = 9.4  # inches; the page scales it
_ROW = 0.34

# Dots of one row of a strip, so that a file with many samples stays small.
_DOTS = 60

_LABELS = {"served": "", "plain": " plain handler", "floor": " floor"}
_STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _STANDS_FOR["grid"],
    "axes.labelcolor": _STANDS_FOR["muted"],
    "axes.titlecolor": _STANDS_FOR["ink"],
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _STANDS_FOR["grid"],
    "grid.linewidth": 0.6,
    "text.color": _STANDS_FOR["ink"],
    "xtick.color": _STANDS_FOR["muted"],
    "ytick.color": _STANDS_FOR["muted"],
    "xtick.labelsize": 9,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


def cold_starts(results: Results) -> str:
    """Stacked bars of the median of each phase, a row for each model, architecture and handler, with the whole range."""
    rows = [
        (model.name, architecture, variant, record)
        for model in results.models
        for variant in VARIANTS
        for architecture in summaries.architectures(results)
        if (record := summaries.cold_of(results, architecture, model.name, variant))
    ]
    if not rows:
        return ""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = _places([row[0] for row in rows])
        seen = set()
        for place, (_, _, _, record) in zip(places, rows, strict=True):
            left, total = 0.0, Summary.of(record.samples_ms)
            for phase, median in summaries.phase_medians(record).items():
                label = f"_{phase}" if phase in seen else phase
                seen.add(phase)
                axes.barh(place, median, 0.62, left=left, color=_STANDS_FOR[f"phase-{phase}"], label=label)
                left += median
            if not left:
                axes.barh(place, total.median, 0.62, color=_STANDS_FOR["phase-other"])
            axes.plot([total.lowest, total.highest], [place, place], color=_STANDS_FOR["ink"], linewidth=1.1)
            end = max(total.highest, left)
            _beside(axes, end, place, duration(total.median))
        _rows(axes, places, rows)
        _milliseconds(axes, 0, max(Summary.of(row[3].samples_ms).highest for row in rows) * 1.12)
        handles, labels = axes.get_legend_handles_labels()
        ordered = sorted(zip(labels, handles, strict=True), key=lambda one: PHASES.index(one[0]))
        figure.legend(
            [handle for _, handle in ordered],
            [label for label, _ in ordered],
            loc="outside upper left",
            ncols=len(PHASES),
            handlelength=1,
            handleheight=1,
            columnspacing=1.4,
        )

    return _svg("cold", 0.9 + _ROW * (len(rows) + 0.6 * len(results.models)), draw, _cold_in_words(rows))


def latencies(results: Results) -> str:
    """Strips of warm requests, a row each: some of the samples, the middle half, the median, p90 and p99."""
    rows = [
        (model.name, architecture, variant, record)
        for model in results.models
        for variant in VARIANTS
        for architecture in summaries.architectures(results)
        if (record := summaries.warm_of(results, architecture, model.name, variant))
    ]
    if not rows:
        return ""
    luck = random.Random(0)  # noqa: S311 - dots are spread so that they can be seen

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = _places([row[0] for row in rows])
        for place, (_, architecture, _, record) in zip(places, rows, strict=True):
            colour, total = _colour(architecture), Summary.of(record.samples_ms)
            dots = luck.sample(record.samples_ms, min(_DOTS, len(record.samples_ms)))
            spread = [place + luck.uniform(-0.2, 0.2) for _ in dots]
            axes.plot(dots, spread, ".", color=colour, alpha=0.35, markersize=3.5, markeredgewidth=0)
            half = [summaries.percentile(record.samples_ms, percent) for percent in (25, 75)]
            axes.plot(half, [place, place], color=colour, linewidth=5, alpha=0.45, solid_capstyle="butt")
            axes.plot([half[1], total.p99], [place, place], color=colour, linewidth=1.2)
            axes.plot([total.p90, total.p99], [place, place], "|", color=colour, markersize=9, markeredgewidth=1.6)
            axes.plot(total.median, place, "o", color=colour, markersize=5.5)
            end = max(total.p99, *dots)
            _beside(axes, end, place, f"{duration(total.median)}, p99 {duration(total.p99)}")
        _rows(axes, places, rows)
        low = min(min(row[3].samples_ms) for row in rows)
        high = max(max(row[3].samples_ms) for row in rows)
        if high / low > 12:
            axes.set_xscale("log")
            _milliseconds(axes, low / 1.3, high * 3)
        else:
            _milliseconds(axes, 0, high * 1.3)

    return _svg("latency", 0.6 + _ROW * (len(rows) + 0.6 * len(results.models)), draw, _warm_in_words(rows))


def throughput(results: Results) -> str:
    """Answers a second and p99 against clients at once, a pair of panels for each model; a cross is a step with errors."""
    models = [model.name for model in results.models if any(one.model == model.name for one in results.throughput)]
    if not models:
        return ""

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(models), 2, squeeze=False)
        for (rate, slow), model in zip(grid, models, strict=True):
            clients = sorted({one.concurrency for one in results.throughput if one.model == model})
            for architecture in summaries.architectures(results):
                steps = sorted(
                    (one for one in results.throughput if (one.model, one.architecture) == (model, architecture)),
                    key=lambda one: one.concurrency,
                )
                answered = [one for one in steps if one.samples_ms]
                line = _line(architecture) | _marker(architecture)
                at = [one.concurrency for one in answered]
                rate.plot(at, [_answered(one) for one in answered], **line)
                slow.plot(at, [Summary.of(one.samples_ms).p99 for one in answered], **line)
                failed = [one for one in steps if one.errors]
                rate.plot(
                    [one.concurrency for one in failed],
                    [_answered(one) for one in failed],
                    "x",
                    color=_STANDS_FOR["bad"],
                    markersize=9,
                    markeredgewidth=1.8,
                )
            named = f"{model}: " if len(models) > 1 else ""
            for axes, title in ((rate, f"{named}answers a second"), (slow, f"{named}p99 latency")):
                axes.set_title(title)
                axes.set_xscale("log", base=2)
                axes.set_xticks(clients, [str(count) for count in clients])
                axes.xaxis.set_minor_locator(NullLocator())
                axes.set_xlabel("clients at once")
                axes.set_ylim(bottom=0)
            slow.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
        _architectures(figure, grid[0][0])

    failed = sum(bool(one.errors) for one in results.throughput)
    words = f"Answers a second and p99 latency of {', '.join(models)} as clients are added; {failed} steps had errors."
    return _svg("throughput", 0.5 + 2.5 * len(models), draw, words)


def cost(curves: Mapping[str, Callable[[float], float]], comparisons: Sequence[Comparison], needs: Needs) -> str:
    """A month's cost and that of a million requests against requests a month, with break-evens and what is expected."""
    if not curves:
        return ""
    requests = [10 ** (step / 20) for step in range(int(20 * math.log10(LOWEST)), int(20 * math.log10(HIGHEST)) + 1)]
    evens = [even for comparison in comparisons for even in comparison.break_evens]

    def draw(figure: Figure) -> None:
        month, million = figure.subplots(1, 2)
        for architecture, of in curves.items():
            line = _line(architecture)
            month.plot(requests, [of(count) for count in requests], **line)
            million.plot(requests, [of(count) / count * 1e6 for count in requests], **line)
        for axes, title, per in ((month, "a month", 1.0), (million, "a million requests", None)):
            axes.set_title(title)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("requests a month")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _count(value)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"${value:,.10g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.xaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_xlim(LOWEST, HIGHEST)
            for expected in needs.requests_per_month:
                axes.axvline(expected, color=_STANDS_FOR["muted"], linewidth=1, linestyle=(0, (4, 3)))
            for even in evens:
                height = even.usd if per else even.usd / even.requests * 1e6
                ring = {"markersize": 9, "markeredgewidth": 1.6, "markeredgecolor": _STANDS_FOR["ink"]}
                axes.plot(even.requests, height, "o", markerfacecolor="none", zorder=5, **ring)
        _architectures(figure, month)

    words = (
        "Cost in US dollars against requests a month, for "
        + ", ".join(curves).upper()
        + ". "
        + (
            "; ".join(
                f"{one.below.upper()} and {one.above.upper()} cost the same at {_count(one.requests)} requests"
                for one in evens
            )
            or "There is no break-even"
        )
    )
    return _svg("cost", 3.4, draw, words + ".")


def _svg(name: str, height: float, draw: Callable[[Figure], None], words: str) -> str:
    """What `draw` draws, as an `svg` element of the page that screen readers read as `words`."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure)
        written = io.StringIO()
        FigureCanvasSVG(figure).print_svg(written, metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    # The page holds several drawings, and an id belongs to one element.
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    for variable, colour in _STANDS_FOR.items():
        text = text.replace(colour, f"var(--{variable})")
    label = words.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _places(models: Sequence[str]) -> list[float]:
    """Where the rows go, from the top, with a gap between models."""
    places, at = [], 0.0
    for before, model in zip([None, *models], models, strict=False):
        at += 1.6 if before not in (None, model) else 1.0
        places.append(at)
    return places


def _rows(axes: Axes, places: Sequence[float], rows: Iterable[tuple[str, str, str, object]]) -> None:
    rows = list(rows)
    several = len({row[0] for row in rows}) > 1
    names = [
        f"{model + '  ' if several else ''}{architecture.upper()}{_LABELS[variant]}"
        for model, architecture, variant, _ in rows
    ]
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0, labelcolor=_STANDS_FOR["ink"])
    axes.set_ylim(max(places) + 0.6, min(places) - 0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")


def _beside(axes: Axes, end: float, place: float, text: str) -> None:
    axes.annotate(text, (end, place), (6, 0), textcoords="offset points", va="center", color=_STANDS_FOR["ink"])


def _tick(milliseconds: float) -> str:
    return f"{milliseconds / 1000:g} s" if milliseconds >= 1000 else f"{milliseconds:g} ms" if milliseconds else "0"


def _milliseconds(axes: Axes, low: float, high: float) -> None:
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _architectures(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), handlelength=1.4)


def _colour(architecture: str) -> str:
    return _STANDS_FOR.get(architecture, _STANDS_FOR["muted"])


def _answered(step: Throughput) -> float:
    """Requests a second that got an answer."""
    return (step.requests - sum(step.errors.values())) / step.seconds


def _line(architecture: str) -> dict[str, Any]:
    """Lines that lie on each other are drawn from broad to narrow, so that all of them are seen."""
    width = {"efs": 2.8, "s3": 2.0, "oci": 1.3}.get(architecture, 1.3)
    return {"color": _colour(architecture), "linewidth": width, "label": architecture.upper()}


def _marker(architecture: str) -> dict[str, Any]:
    """Told apart by shape as well as by colour."""
    shape, size = {"efs": ("o", 7), "s3": ("s", 5.5), "oci": ("D", 4)}.get(architecture, ("v", 4))
    return {"marker": shape, "markersize": size}


def _count(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _cold_in_words(rows: Sequence[tuple[str, str, str, object]]) -> str:
    parts = [
        f"{model} on {architecture.upper()}{_LABELS[variant]} {_median(record)}"
        for model, architecture, variant, record in rows
    ]
    return "Median cold start by phase: " + "; ".join(parts) + "."


def _warm_in_words(rows: Sequence[tuple[str, str, str, object]]) -> str:
    parts = [
        f"{model} on {architecture.upper()}{_LABELS[variant]} {_median(record)}"
        for model, architecture, variant, record in rows
    ]
    return "Median latency of warm requests: " + "; ".join(parts) + "."


def _median(record: object) -> str:
    return duration(Summary.of(getattr(record, "samples_ms", [])).median)
