"""nginx between functions and S3: a delay for each request, and a limit for each connection and for all of them.

Objects are kept by nginx after they were fetched once, so that what is measured is the profile and not the emulator.

What nginx limits, and how far that can be trusted:

* `limit_rate` holds for a request. Clients that use a connection for one request at a time, as ours and boto3 do, see it
  as the limit of a connection.
* After each piece of `sendfile_max_chunk` bytes nginx waits, in whole milliseconds, as long as the piece may take. Pieces
  are those of 10 ms, or else the rate would come out too high.
* There is no limit for all connections in nginx. Here a request gets its share of the total when its answer begins, by
  the number of connections that are open then, and keeps it. So the total is met on average, with requests of similar
  size.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.networks import S3Network

_HOST = "127.0.0.1"
_CHILD = Path(__file__).parents[2] / "local" / "child.py"
_ROOT = Path(__file__).parents[3]
_MODULES = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/usr/share/nginx/modules"))
_ECHO = "ngx_http_echo_module.so"
_PIECE = 0.010  # seconds
_MOST_CONNECTIONS = 64
_START_LIMIT = 5.0  # seconds


@contextlib.contextmanager
def bucket_proxy(network: S3Network, port: int, upstream: int, folder: Path) -> Iterator[str]:
    """The address, on `port`, of S3 at the port `upstream` as through a network; everything is written below `folder`.

    What answers at `upstream` need not be there yet.

    Raises:
        MeasuringError: nginx or its echo module is not installed, or does not start.
    """
    nginx, echo = _installed()
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("cache", "scratch"):
        (folder / name).mkdir(parents=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(_configuration(network, port, upstream, folder.resolve(), echo), encoding="utf-8")
    log = folder / "nginx.log"
    command = [nginx, "-p", str(folder.resolve()), "-c", str(configuration.resolve()), "-e", str(log.resolve())]
    process = subprocess.Popen(
        [sys.executable, "-P", _CHILD, folder, "workbench.bench.measuring.foreground", *command],
        stdin=subprocess.PIPE,  # never written to: its end is how the child learns of this process's
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,
        start_new_session=True,
    )
    try:
        _wait(process, port, log)
        yield f"http://{_HOST}:{port}"
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(_START_LIMIT)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as free:
        free.bind((_HOST, 0))
        return free.getsockname()[1]


def _installed() -> tuple[str, Path]:
    # Debian has it where only root's PATH looks.
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    echo = next((folder / _ECHO for folder in _MODULES if (folder / _ECHO).is_file()), None)
    if nginx is None or echo is None:
        raise MeasuringError(
            "To measure S3 through a network takes nginx and its module echo, and they are not installed; on Debian and "
            "Ubuntu: apt-get install nginx-light libnginx-mod-http-echo. Without --network the bench needs neither."
        )
    return nginx, echo


def _configuration(network: S3Network, port: int, upstream: int, folder: Path, echo: Path) -> str:
    connection = network.connection_mb_s * 1e6
    shares = ""
    if network.total_mb_s:
        rates = (min(connection, network.total_mb_s * 1e6 / count) for count in range(1, _MOST_CONNECTIONS + 1))
        shares = "".join(f"    {count} {rate:.0f};\n" for count, rate in enumerate(rates, start=1))
    temporary = "".join(
        f"  {kind}_temp_path {folder}/scratch/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
load_module {echo};
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
{temporary}\
  sendfile on;
  sendfile_max_chunk {connection * _PIECE:.0f};
  tcp_nodelay on;
  client_max_body_size 0;
  proxy_cache_path {folder}/cache keys_zone=s3:1m max_size=50g inactive=1d use_temp_path=off;
  map $connections_active $share {{
    default {connection:.0f};
{shares}\
  }}
  server {{
    listen {_HOST}:{port};
    location / {{
      echo_sleep {network.latency_ms / 1000:.3f};
      echo_exec @s3;
    }}
    location @s3 {{
      limit_rate $share;
      proxy_pass http://{_HOST}:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_cache s3;
      proxy_cache_key $uri;
      proxy_cache_valid 200 1d;
      proxy_cache_lock on;
      proxy_force_ranges on;
    }}
  }}
}}
"""


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            with contextlib.closing(http.client.HTTPConnection(_HOST, port, timeout=1)) as connection:
                connection.connect()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(encoding="utf-8").strip().splitlines()[-1:] if log.is_file() else []
            raise MeasuringError(f"nginx, which stands for the network, did not start. {' '.join(said)}")
        time.sleep(0.02)
