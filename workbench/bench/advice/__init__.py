"""Where the weights should live, concluded from a benchmark's results: plain sentences, each with the figure behind it.

Pure functions; docs/choosing.md describes the rule. What a month costs is computed in `workbench.cost`.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.bench.advice.choice import Choice, explained
from workbench.bench.advice.evidence import Needs, collected
from workbench.bench.advice.findings import Finding, caveats, findings
from workbench.bench.results import Results
from workbench.cost.prices import Prices

__all__ = ["Advice", "Choice", "Finding", "Needs", "advise"]


@dataclass(frozen=True)
class Advice:
    """What to take, what was found, and what the results cannot tell."""

    choices: tuple[Choice, ...]
    findings: tuple[Finding, ...]
    caveats: tuple[str, ...]


def advise(results: Results, needs: Needs, prices: Prices) -> Advice:
    """The advice that follows from `results` for what is expected.

    Raises:
        CostError: an architecture was measured in part only.
    """
    evidence = collected(results, prices)
    return Advice(
        choices=tuple(explained(evidence, needs, requests) for requests in needs.requests_per_month),
        findings=tuple(findings(evidence, needs)),
        caveats=tuple(caveats(evidence)),
    )
