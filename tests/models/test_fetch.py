"""Downloading from the hub: only what is needed, at the locked commit, continued and checked, with clear errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hub_server import TOKEN, HubServer

from workbench.models import hub as hub_module
from workbench.models.errors import ModelError
from workbench.models.fetch import Checkpoint, fetch
from workbench.models.hub import Hub
from workbench.models.lock import Lock

SOURCE = "acme/squad"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def download(server: HubServer, cache: Path, lock: Lock | None = None, **options: str) -> tuple[Checkpoint, Lock]:
    source = options.pop("source", SOURCE)
    hub = Hub(cache, server.endpoint)
    return fetch(source, options.get("revision"), options.get("task"), hub, lock or Lock({}))


def test_only_the_needed_files_are_downloaded(hub_server: HubServer, cache: Path, files: dict[str, bytes]) -> None:
    commit = hub_server.publish(SOURCE, files)
    checkpoint, lock = download(hub_server, cache)

    names = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    assert {path.name for path in checkpoint.folder.iterdir()} == names
    assert all((checkpoint.folder / name).read_bytes() == files[name] for name in names)
    assert checkpoint.source == {"model": SOURCE, "revision": commit}
    assert checkpoint.description.task == "question-answering"
    assert checkpoint.description.max_length == 384
    locked = lock.get(SOURCE, None)
    assert locked is not None
    assert (locked.revision, locked.commit) == ("main", commit)
    assert {file.path: file.size for file in locked.files} == {name: len(files[name]) for name in names}


def test_a_locked_model_stays_at_its_commit_when_the_branch_moves(
    hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    old = hub_server.publish(SOURCE, files)
    _, lock = download(hub_server, cache)
    new = hub_server.publish(SOURCE, {**files, "model.safetensors": b"trained again"})

    shutil.rmtree(cache)
    checkpoint, same = download(hub_server, cache, lock)
    assert checkpoint.source["revision"] == old
    assert same == lock

    checkpoint, moved = download(hub_server, cache, lock.without(SOURCE, None))
    assert checkpoint.source["revision"] == new
    assert moved.get(SOURCE, None) != lock.get(SOURCE, None)


def test_what_is_locked_and_downloaded_needs_no_hub(
    hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    hub_server.publish(SOURCE, files)
    _, lock = download(hub_server, cache)
    hub_server.requests.clear()
    download(hub_server, cache, lock)
    assert hub_server.requests == []


def test_a_broken_download_is_continued_by_the_next_run(
    hub_server: HubServer, cache: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.publish(SOURCE, files)

    # The process is killed in the middle: whatever comes after the first bytes never happens.
    def killed(url: str, stream: object, **options: object) -> None:
        if url.endswith("model.safetensors"):
            stream.write(files["model.safetensors"][:300_000])  # pyright: ignore[reportAttributeAccessIssue]
            raise KeyboardInterrupt
        http_get(url, stream, **options)  # pyright: ignore[reportArgumentType]

    http_get = hub_module.http_get
    monkeypatch.setattr(hub_module, "http_get", killed)
    with pytest.raises(KeyboardInterrupt):
        download(hub_server, cache)
    monkeypatch.setattr(hub_module, "http_get", http_get)

    checkpoint, _ = download(hub_server, cache)
    assert (checkpoint.folder / "model.safetensors").read_bytes() == files["model.safetensors"]
    # Asked for at the hub, and at the address that it was sent on to.
    assert hub_server.fetched("model.safetensors") == [300_000, 300_000]


def test_a_connection_that_breaks_off_is_continued_at_once(
    hub_server: HubServer, cache: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library hands on what it has received in pieces of 10 MB, and can continue after the last whole one.
    monkeypatch.setattr(hub_module.constants, "DOWNLOAD_CHUNK_SIZE", 65_536)
    hub_server.publish(SOURCE, files)
    hub_server.breaks["model.safetensors"] = 400_000
    checkpoint, _ = download(hub_server, cache)
    assert (checkpoint.folder / "model.safetensors").read_bytes() == files["model.safetensors"]
    starts = hub_server.fetched("model.safetensors")
    assert starts[0] == 0
    assert starts[-1] > 0


@pytest.mark.parametrize("path", ["/revision/main", "/config.json", "/model.safetensors"])
def test_passing_trouble_of_the_hub_is_waited_for(
    path: str, hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    hub_server.publish(SOURCE, files)
    hub_server.failures[path] = [500, 503]
    download(hub_server, cache)
    assert hub_server.failures[path] == []


def test_lasting_trouble_of_the_hub_is_reported(hub_server: HubServer, cache: Path, files: dict[str, bytes]) -> None:
    hub_server.publish(SOURCE, files)
    hub_server.failures["/config.json"] = [500] * 9
    with pytest.raises(ModelError, match="answers HTTP 500 for acme/squad; try again later"):
        download(hub_server, cache)


@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_bytes_that_are_not_the_hubs_are_refused(
    path: str, hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    commit = hub_server.publish(SOURCE, files)
    hub_server.altered.add(path)
    with pytest.raises(ModelError, match=rf"{path} of acme/squad at {commit[:7]} has .* thrown away"):
        download(hub_server, cache)
    assert not list(cache.rglob(f"{path}*"))
    # Nothing of the wrong bytes is in the way of the right ones.
    hub_server.altered.clear()
    download(hub_server, cache)


def test_bytes_that_are_not_the_locked_ones_are_refused(
    hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    commit = hub_server.publish(SOURCE, files)
    _, lock = download(hub_server, cache)
    shutil.rmtree(cache)
    # The hub itself now has other bytes of the same size under the same commit.
    hub_server.repositories[SOURCE].commits[commit]["model.safetensors"] = files["model.safetensors"][::-1]
    with pytest.raises(ModelError, match=r"has SHA-256 .* models\.lock\.json vouches for"):
        download(hub_server, cache, lock)


def test_a_downloaded_file_that_was_changed_is_downloaded_again(
    hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    hub_server.publish(SOURCE, files)
    checkpoint, lock = download(hub_server, cache)
    (checkpoint.folder / "model.safetensors").write_bytes(b"changed")
    download(hub_server, cache, lock)
    assert (checkpoint.folder / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_weights_in_parts_are_downloaded_whole(hub_server: HubServer, cache: Path, files: dict[str, bytes]) -> None:
    del files["model.safetensors"], files["pytorch_model.bin"]
    parts = {"model-00001-of-00002.safetensors": b"one", "model-00002-of-00002.safetensors": b"two"}
    index = {"weight_map": dict(zip("abc", [*parts, next(iter(parts))], strict=True))}
    hub_server.publish(SOURCE, {**files, **parts, "model.safetensors.index.json": json.dumps(index).encode()})
    checkpoint, _ = download(hub_server, cache)
    assert all((checkpoint.folder / name).read_bytes() == data for name, data in parts.items())


def test_pickled_weights_are_taken_where_there_are_no_others(
    hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    del files["model.safetensors"]
    hub_server.publish(SOURCE, files)
    checkpoint, _ = download(hub_server, cache)
    assert (checkpoint.folder / "pytorch_model.bin").is_file()


def test_a_model_that_does_not_exist_is_named(hub_server: HubServer, cache: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no model acme/squad at http.*HF_TOKEN"):
        download(hub_server, cache)


def test_a_folder_of_the_name_of_a_missing_model_is_pointed_out(
    hub_server: HubServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / SOURCE).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"To use the folder of that name, write \./acme/squad"):
        download(hub_server, cache)


def test_a_revision_that_does_not_exist_is_named(hub_server: HubServer, cache: Path, files: dict[str, bytes]) -> None:
    hub_server.publish(SOURCE, files)
    with pytest.raises(ModelError, match="acme/squad has no revision v9"):
        download(hub_server, cache, revision="v9")


def test_each_revision_is_locked_for_itself(hub_server: HubServer, cache: Path, files: dict[str, bytes]) -> None:
    first = hub_server.publish(SOURCE, files, branch="v1")
    second = hub_server.publish(SOURCE, {**files, "model.safetensors": b"newer"})
    _, lock = download(hub_server, cache, revision="v1")
    _, lock = download(hub_server, cache, lock)
    assert {key: entry.commit for key, entry in lock.entries.items()} == {
        (SOURCE, "v1"): first,
        (SOURCE, "main"): second,
    }


def test_a_gated_model_says_how_to_get_in(
    hub_server: HubServer, cache: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.publish(SOURCE, files)
    hub_server.repositories[SOURCE].gated = True
    with pytest.raises(ModelError, match=r"acme/squad is gated: accept its terms.*set HF_TOKEN"):
        download(hub_server, cache)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    download(hub_server, cache)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_reported(
    status: int, hub_server: HubServer, cache: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.publish(SOURCE, files)
    hub_server.failures["/model.safetensors"] = [status] * 9
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    with pytest.raises(ModelError, match="HF_TOKEN to a token that may read it"):
        download(hub_server, cache)


def test_the_token_stays_with_the_hub(
    hub_server: HubServer, cache: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.publish(SOURCE, files)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub = Hub(cache, hub_server.endpoint)
    # Large files are sent on to the same server under another name: to a client, another host.
    hub_server.endpoint = hub_server.endpoint.replace("127.0.0.1", "localhost")
    fetch(SOURCE, None, None, hub, Lock({}))
    seen = {request.path.split("/")[1]: request.authorization for request in hub_server.requests}
    assert seen["api"] == f"Bearer {TOKEN}"
    assert seen["storage"] is None


def test_without_a_connection_the_sentence_says_so(
    cache: Path, hub_server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:9 cannot be reached .* has not been downloaded whole"):
        fetch(SOURCE, None, None, Hub(cache, "http://127.0.0.1:9"), Lock({}))
    monkeypatch.setattr(hub_module.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="cannot be reached"):
        download(hub_server, cache)


def test_a_full_disk_is_reported_and_the_download_can_be_continued(
    hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    commit = hub_server.publish(SOURCE, files)
    partial = Hub(cache).folder(SOURCE, commit) / "model.safetensors.partial"
    partial.parent.mkdir(parents=True)
    partial.symlink_to("/dev/full")
    with pytest.raises(ModelError, match=r"The disk is full: .* continues where it stopped"):
        download(hub_server, cache)
    partial.unlink()
    download(hub_server, cache)


def test_too_little_space_is_seen_before_the_download(
    hub_server: HubServer, cache: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.publish(SOURCE, files)
    usage = shutil.disk_usage(cache.parent)._replace(free=500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match=r"acme/squad needs 1 MB of disk space in .* and there are 0 MB"):
        download(hub_server, cache)
    assert hub_server.fetched("model.safetensors") == []


def test_what_cannot_be_prepared_is_refused_before_its_weights_are_downloaded(
    hub_server: HubServer, cache: Path, files: dict[str, bytes]
) -> None:
    hub_server.publish(SOURCE, {**files, "config.json": b'{"model_type": "llama"}'})
    with pytest.raises(ModelError, match="acme/squad is of the architecture 'llama'; models of ALBERT, BERT,"):
        download(hub_server, cache)
    assert hub_server.fetched("model.safetensors") == []


def test_a_name_that_is_no_model_id_is_explained(hub_server: HubServer, cache: Path) -> None:
    with pytest.raises(ModelError, match="is no name of a model: give an id such as"):
        download(hub_server, cache, source="my model!")


def test_a_local_checkpoint_is_identified_by_its_needed_files(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)

    def revision() -> str:
        checkpoint, lock = fetch(str(folder), None, None, Hub(tmp_path), Lock({}))
        assert lock == Lock({})
        return checkpoint.source["revision"]

    first = revision()
    assert first.startswith("sha256:")
    (folder / "README.md").write_bytes(b"# Other words")
    assert revision() == first
    (folder / "model.safetensors").write_bytes(b"trained again")
    assert revision() != first


def test_a_local_folder_has_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder and has no revisions"):
        fetch(str(tmp_path), "main", None, Hub(tmp_path), Lock({}))


def test_a_missing_local_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is none"):
        fetch(str(tmp_path / "nothing"), None, None, Hub(tmp_path), Lock({}))
