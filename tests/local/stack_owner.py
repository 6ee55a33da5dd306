"""A program that owns a stack: `python stack_owner.py FOLDER [deaf]` brings one up and says where, then waits."""

import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from workbench.local import processes
from workbench.local.emulator import Emulator
from workbench.local.lambda_service.functions import ImageTarget
from workbench.local.lambda_service.service import LambdaService


def main(folder: Path, *, deaf: bool) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: sys.exit(0))
    with (
        processes.claim(folder, "toys") as claim,
        Emulator(folder) as emulator,
        LambdaService(
            endpoint=emulator.endpoint,
            folder=folder,
            code=Path(__file__).with_name("functions"),
            images=lambda _: ImageTarget([], {}),
            mounts=Path,
        ) as service,
    ):
        claim.record(emulator.endpoint)
        print(emulator.endpoint, service.url, emulator.pid, flush=True)
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), deaf="deaf" in sys.argv)
