"""The configuration of stacks that name models to prepare."""

from __future__ import annotations

import json
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def write_stack(project: Path, models: list[dict[str, str]], stack: str = "dev", **settings: object) -> None:
    """Writes `Pulumi.<stack>.yaml` with these models and settings (JSON is YAML)."""
    config = {"aws:region": "us-east-1", "ml-inference:models": models}
    config |= {f"ml-inference:{key}": value for key, value in settings.items()}
    (project / f"Pulumi.{stack}.yaml").write_text(json.dumps({"config": config}), encoding="utf-8")
