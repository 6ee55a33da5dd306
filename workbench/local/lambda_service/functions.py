"""What the emulator's API says about a function, and the process environment that follows from it.

Nothing about a function is known from anywhere else, so what runs is what was declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

PROXY_VARIABLE = "MINISTACK_LAMBDA_PROXY_URL"
LATEST = "$LATEST"

_TMP_MB = 512  # unless a function asks for more


class UnsupportedFunctionError(Exception):
    """A function that was declared in a way that cannot be run here. The message is a sentence for the user."""


@dataclass(frozen=True)
class ImageTarget:
    """What an image brings along: the default command, and folders by the path they have inside the image.

    `built` is what Docker knows the image by; empty where it has not been built.
    """

    command: Sequence[str]
    folders: Mapping[str, Path]
    built: str = ""


ImageResolver = Callable[[str], ImageTarget]
"""From an image URI to what is in that image. Raises `LookupError`, with a sentence, for an image it does not know."""

MountResolver = Callable[[str], Path]
"""From the ARN of an access point to the folder that stands for it. Raises `LookupError`, with a sentence, as above."""


@dataclass(frozen=True)
class Function:
    """A version of a function as it is configured: `timeout` in seconds, `memory_size` and `tmp_size` in MB.

    `image` is what Docker knows its image by, `mounts` the access points by the path they are mounted at, and `folders`
    what stands on this machine for those and for the folders of the image.
    """

    name: str
    version: str
    region: str
    revision: str
    handler: str
    timeout: int
    memory_size: int
    tmp_size: int
    role: str
    image: str
    variables: Mapping[str, str]
    mounts: Mapping[str, str]
    folders: Mapping[str, Path]
    log_format: str
    log_level: str | None
    log_group: str
    snap_start: bool = False  # of this version, whose environments all come from a snapshot then

    @property
    def json_logs(self) -> bool:
        return self.log_format == "JSON"

    @property
    def own_variables(self) -> dict[str, str]:
        """The variables that the program gave the function."""
        return {name: value for name, value in self.variables.items() if name != PROXY_VARIABLE}

    def environment(self, tmp: Path) -> dict[str, str]:
        """The function's own variables, a path inside the container replaced by the folder that stands for it here.

        Only a value that is such a path, or lies below one, is replaced. `tmp` stands for `/tmp`.
        """
        folders = {**self.folders, "/tmp": tmp}  # noqa: S108 - the container's
        return {name: _here(value, folders) for name, value in self.own_variables.items()}


class FunctionReader:
    """Reads functions from the emulator at `endpoint`, resolving their images and file systems."""

    def __init__(
        self, client: aiohttp.ClientSession, endpoint: str, images: ImageResolver, mounts: MountResolver
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._images = images
        self._mounts = mounts

    async def read(self, arn: str, name: str, version: str) -> Function:
        """The function `name` in `version`; of `arn` only the account and the region are used.

        Raises:
            UnsupportedFunctionError: it is none that can run here.
            LookupError: its image or one of its access points is unknown.
            aiohttp.ClientError: the emulator does not answer, or does not know it.
        """
        region, account = arn.split(":")[3:5]
        # The emulator takes account and region from a request's credentials and does not check signatures; signing
        # with botocore would cost as much as the request.
        scope = f"{account}/19700101/{region}/lambda/aws4_request"
        async with self._client.get(
            f"{self._endpoint}/2015-03-31/functions/{name}",
            params={"Qualifier": version},
            headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"},
            raise_for_status=True,
        ) as response:
            answer = await response.json()
        return self._function(region, answer["Configuration"], answer["Code"])

    def _function(self, region: str, configuration: Mapping[str, Any], code: Mapping[str, Any]) -> Function:
        name = configuration["FunctionName"]
        if configuration["PackageType"] != "Image":
            raise UnsupportedFunctionError(f"Function {name} is no container image; only images run on this machine.")
        image = self._images(code["ImageUri"])
        overrides = configuration.get("ImageConfigResponse", {}).get("ImageConfig", {})
        for setting in ("EntryPoint", "WorkingDirectory"):
            if overrides.get(setting):
                raise UnsupportedFunctionError(
                    f"Function {name} sets the image's {setting}; on this machine the entry point is always the "
                    "Python runtime and the working directory always the task root."
                )
        command = overrides.get("Command") or image.command
        if len(command) != 1:
            raise UnsupportedFunctionError(
                f"Function {name} has the command {list(command)}; the Python runtime takes one word, the handler."
            )
        logging = configuration["LoggingConfig"]
        mounts = {mount["LocalMountPath"]: mount["Arn"] for mount in configuration.get("FileSystemConfigs", ())}
        return Function(
            name=name,
            version=configuration["Version"],
            region=region,
            revision=configuration["RevisionId"],
            handler=command[0],
            timeout=configuration["Timeout"],
            memory_size=configuration["MemorySize"],
            tmp_size=configuration.get("EphemeralStorage", {}).get("Size", _TMP_MB),
            role=configuration["Role"],
            image=image.built,
            variables=configuration.get("Environment", {}).get("Variables", {}),
            mounts=mounts,
            folders={**image.folders, **{path: self._mounts(arn) for path, arn in mounts.items()}},
            log_format=logging.get("LogFormat", "Text"),
            log_level=logging.get("ApplicationLogLevel"),
            log_group=logging.get("LogGroup", f"/aws/lambda/{name}"),
            snap_start=configuration.get("SnapStart", {}).get("OptimizationStatus") == "On",
        )


def _here(value: str, folders: Mapping[str, Path]) -> str:
    """`value`, its longest prefix that is one of the paths in `folders` replaced by the folder."""
    for path in sorted(folders, key=len, reverse=True):
        if value == path or value.startswith(path + "/"):
            return f"{folders[path]}{value[len(path) :]}"
    return value
