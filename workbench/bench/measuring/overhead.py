"""What the serving code takes around the engine: the whole handler, and raw runs of its session on the same tokens.

Run as a module in a process of its own, so that nothing else of the benchmark shares it; handler and raw session take
turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from handlers.serving.bundle import Bundle
from workbench.bench.results import Overhead

_WARM_UP = 5
_LIMIT = 600  # seconds


def measure(bundle: Path, body: Mapping[str, Any], tokens: int, times: int, memory: int) -> Overhead:
    """The handler against its engine, `times` times, on the threads of a function of `memory` MB."""
    output = subprocess.run(
        [sys.executable, "-m", __name__, str(bundle), json.dumps(body), str(times)],
        env={**os.environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory)},
        stdout=subprocess.PIPE,
        timeout=_LIMIT,
        check=True,
    ).stdout
    model = Bundle.read(bundle).name
    return Overhead(model=model, tokens=tokens, **json.loads(output))


class _Timed:
    """An engine that keeps what it was last asked and how long that took."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.milliseconds = 0.0
        self.calls: list[tuple[Any, Any]] = []

    def run(self, inputs: Any, outputs: Sequence[str]) -> Any:
        self.calls.append((inputs, outputs))
        begin = time.perf_counter()
        try:
            return self.engine.run(inputs, outputs)
        finally:
            self.milliseconds += (time.perf_counter() - begin) * 1000


def main() -> None:
    from handlers.serving import models
    from handlers.serving.application import Application
    from handlers.serving.stores.folder import FolderStore

    bundle, body, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    manifest = Bundle.read(bundle)
    engines: list[_Timed] = []
    load_engine = models.load_engine

    def timed(stored: Any) -> Any:
        engines.append(_Timed(load_engine(stored)))
        return engines[-1]

    models.load_engine = timed
    context: Any = SimpleNamespace(aws_request_id="1")
    samples: dict[str, list[float]] = {"handler_ms": [], "engine_ms": [], "raw_ms": []}
    with tempfile.TemporaryDirectory() as root:
        Path(root, manifest.name).mkdir()
        Path(root, manifest.name, manifest.digest).symlink_to(bundle.resolve())
        application = Application({manifest.name: manifest.digest}, FolderStore(Path(root)))
        for turn in range(times + _WARM_UP):
            if engines:
                engines[0].calls.clear()
                engines[0].milliseconds = 0
            begin = time.perf_counter()
            reply = application({"body": body}, context)
            took = (time.perf_counter() - begin) * 1000
            if reply["statusCode"] != 200:
                sys.exit(f"The bundle in {bundle} answered with {reply['body']}")
            [engine] = engines
            begin = time.perf_counter()
            for inputs, outputs in engine.calls:
                engine.engine._session.run(outputs, {name: inputs[name] for name in engine.engine._inputs})
            raw = (time.perf_counter() - begin) * 1000
            if turn >= _WARM_UP:
                for name, value in zip(samples, (took, engine.milliseconds, raw), strict=True):
                    samples[name].append(round(value, 3))
    print(json.dumps(samples))


if __name__ == "__main__":
    main()
