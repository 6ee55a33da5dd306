"""`models prepare` from end to end: a model of the hub or a folder becomes a proven bundle, or nothing changes."""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import torch
from hub_server import HubServer
from stacks import write_stack

from handlers.serving.bundle import Bundle
from infra.bundles import read_bundles
from workbench.models import export
from workbench.models import prepare as prepare_module
from workbench.models.checkpoint import TASKS
from workbench.models.errors import ModelError
from workbench.models.hub import Hub
from workbench.models.inventory import entries, verify
from workbench.models.lock import LOCK, Lock
from workbench.models.prepare import Prepared, prepare
from workbench.models.targets import Target, settings_of, targets
from workbench.models.workspace import CACHE, exclusive
from workbench.program.config import load

PROJECT = Path(__file__).parents[3]
SOURCE = "acme/squad"
FP32 = Target("nlp1", SOURCE, None, None, "onnx", "fp32")
INT8 = Target("nlp1", SOURCE, None, None, "onnx", "int8")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("checkpoint"), "distilbert", "question-answering")


@pytest.fixture
def published(hub_server: HubServer, checkpoint: Path) -> str:
    """The commit of the checkpoint on the hub."""
    return hub_server.publish(SOURCE, contents(checkpoint))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(*wanted: Target, hub: HubServer | None = None, update: bool = False) -> list[Prepared]:
    client = Hub(CACHE, hub.endpoint) if hub else None
    # Random weights leave most answers nearly undecided, so int8 changes some.
    return list(prepare(wanted, min_agreement=0.3, hub=client, update=update))


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_model_of_the_hub_becomes_a_bundle_that_the_program_deploys(
    project: Path, hub_server: HubServer, published: str
) -> None:
    write_stack(project, [{"name": "nlp1", "source": SOURCE}])
    settings = settings_of(load("dev"))
    [prepared] = run(*targets(settings), hub=hub_server)

    [deployed] = read_bundles(settings.for_architecture("efs"), "dev")
    assert deployed.manifest == prepared.bundle
    bundle = prepared.bundle
    assert (bundle.task, bundle.engine, bundle.precision) == ("question-answering", "onnx", "fp32")
    assert bundle.source == {"model": SOURCE, "revision": published}
    assert {file.path for file in bundle.files} == {"model.onnx", "model.onnx.data", "tokenizer.json"}
    assert bundle.proof["agreement"] == 1
    assert float(bundle.proof["largest_logit_difference"]) < 1e-4
    assert float(bundle.proof["probes"]) >= 50
    assert json.loads(LOCK.read_text())["models"][0]["commit"] == published
    assert [verify(entry) for entry in entries()]
    assert files_below(project / "models/nlp1") == {
        f"onnx-fp32/{name}" for name in ("bundle.json", "model.onnx", "model.onnx.data", "tokenizer.json")
    }


def test_a_second_run_does_nothing_and_needs_no_hub(project: Path, hub_server: HubServer, published: str) -> None:
    run(FP32, hub=hub_server)
    before = FP32.folder.stat().st_mtime_ns
    hub_server.requests.clear()
    [again] = run(FP32, hub=hub_server)
    assert not again.fresh
    assert FP32.folder.stat().st_mtime_ns == before
    assert hub_server.requests == []


def test_update_moves_the_lock_to_what_the_branch_is_now(
    project: Path, hub_server: HubServer, published: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run(FP32, hub=hub_server)
    newer = tiny.save(tmp_path_factory.mktemp("newer"), "distilbert", "question-answering", seed=1)
    commit = hub_server.publish(SOURCE, contents(newer))

    [same] = run(FP32, hub=hub_server)
    assert same.bundle.source["revision"] == published
    [updated] = run(FP32, hub=hub_server, update=True)
    assert updated.fresh
    assert updated.bundle.source["revision"] == commit
    locked = Lock.read().get(SOURCE, None)
    assert locked is not None
    assert locked.commit == commit
    [again] = run(FP32, hub=hub_server, update=True)
    assert not again.fresh


def test_int8_is_compared_and_reported(project: Path, hub_server: HubServer, published: str) -> None:
    fp32, int8 = run(FP32, INT8, hub=hub_server)
    assert int8.bundle.size < fp32.bundle.size
    assert 0.3 <= float(int8.bundle.proof["agreement"]) <= 1
    assert float(int8.bundle.proof["largest_logit_difference"]) > 1e-4
    # One download for both.
    assert len(hub_server.fetched("model.safetensors")) == 2


def test_int8_that_answers_otherwise_is_refused(project: Path, hub_server: HubServer, published: str) -> None:
    with pytest.raises(ModelError, match=r"nlp1 \(onnx, int8\) is refused: in int8, .*% of the answers are those of"):
        list(prepare([INT8], min_agreement=1, hub=Hub(CACHE, hub_server.endpoint), say=lambda text: None))
    assert not INT8.folder.exists()
    # The same holds for one that was accepted with a lower threshold.
    run(INT8, hub=hub_server)
    with pytest.raises(ModelError, match="is refused"):
        list(prepare([INT8], min_agreement=1, hub=Hub(CACHE, hub_server.endpoint), say=lambda text: None))


def test_an_export_that_gives_other_logits_is_refused(
    project: Path, hub_server: HubServer, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_another(model: object, destination: Path, task: str, precision: str) -> None:
        export_onnx(tiny.model("distilbert", task, seed=5), destination, task, precision)

    export_onnx = export.export_onnx
    monkeypatch.setattr(export, "export_onnx", of_another)
    with pytest.raises(ModelError, match=r"is refused: in fp32, logits differ from the original's by up to"):
        run(FP32, hub=hub_server)
    assert not FP32.folder.exists()


def test_an_interrupted_run_leaves_the_old_bundle_and_nothing_else(
    project: Path, hub_server: HubServer, published: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [old] = run(FP32, hub=hub_server)
    before = files_below(project / "models/nlp1")
    hub_server.publish(SOURCE, {**contents(checkpoint), "tokenizer_config.json": b'{"model_max_length": 128}'})

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_module, "prove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(FP32, hub=hub_server, update=True)
    assert files_below(project / "models/nlp1") == before
    assert Bundle.read(FP32.folder) == old.bundle


@pytest.mark.parametrize("where", ["export", "seal"])
def test_a_disk_that_becomes_full_is_one_sentence(
    where: str, project: Path, hub_server: HubServer, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **fields: object) -> None:
        # As ONNX Runtime puts it, and as Python does.
        raise RuntimeError("write: No space left on device") if where == "export" else OSError(28, "No space left")

    if where == "export":
        monkeypatch.setattr(export, "export_onnx", full)
    else:
        monkeypatch.setattr(prepare_module, "seal", full)
    with pytest.raises(ModelError, match=r"The disk became full while nlp1 \(onnx, fp32\) was being prepared; nothing"):
        run(FP32, hub=hub_server)
    assert files_below(project / "models/nlp1") == set()


def test_a_local_folder_is_prepared_and_again_when_it_changes(project: Path) -> None:
    tiny.save(project / "mine", "electra", "text-classification")
    target = Target("mine", "./mine", None, None, "onnx", "fp32")
    [first] = run(target)
    assert first.bundle.source["model"] == "./mine"
    assert first.bundle.labels == {"0": "LABEL_0", "1": "LABEL_1"}
    assert not LOCK.exists()
    assert not run(target)[0].fresh
    tiny.save(project / "mine", "electra", "text-classification", seed=3)
    assert run(target)[0].fresh


def test_pickled_weights_are_prepared_and_never_executed(project: Path, checkpoint: Path) -> None:
    folder = project / "mine"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((checkpoint / name).read_bytes())
    weights = tiny.model("distilbert", "question-answering").state_dict()
    torch.save(weights, folder / "pytorch_model.bin")
    target = Target("mine", "./mine", None, None, "onnx", "fp32")
    assert run(target)[0].fresh

    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch executed",)

    torch.save({**weights, "x": Malicious()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"The weights of \./mine cannot be loaded"):
        run(target)
    assert not (project / "executed").exists()


def test_weights_in_parts_are_prepared(project: Path) -> None:
    model = tiny.model("bert", "token-classification")
    model.save_pretrained(project / "mine", max_shard_size="100KB")
    tiny.tokenizer("bert").save(str(project / "mine/tokenizer.json"))
    assert (project / "mine/model.safetensors.index.json").is_file()
    assert run(Target("mine", "./mine", None, None, "onnx", "fp32"))[0].bundle.task == "token-classification"


def test_a_head_without_weights_is_refused(project: Path) -> None:
    tiny.save(project / "mine", "bert", "fill-mask")
    with pytest.raises(ModelError, match=r"\./mine has no weights for qa_outputs.* they would be random"):
        run(Target("mine", "./mine", None, "question-answering", "onnx", "fp32"))


def test_a_bare_encoder_comes_out_of_any_checkpoint(project: Path) -> None:
    tiny.save(project / "mine", "bert", "fill-mask")
    [prepared] = run(Target("mine", "./mine", None, "feature-extraction", "onnx", "fp32"))
    assert prepared.bundle.task == "feature-extraction"


@pytest.mark.parametrize("task", TASKS)
def test_a_prepared_bundle_answers_as_a_function_does(task: str, project: Path) -> None:
    head = "text-classification" if task.startswith("zero-shot") else task
    tiny.save(project / "mine", "roberta", head, id2label={0: "contradiction", 1: "entailment"})
    run(Target("mine", "./mine", None, task, "onnx", "fp32"))
    write_stack(project, [{"name": "mine", "source": "./mine"}])
    [entry] = entries()
    assert "checksums right, loads, answers" in verify(entry)


def test_the_torch_engine_is_prepared_and_proven(project: Path) -> None:
    tiny.save(project / "mine", "electra", "question-answering")
    [prepared] = run(Target("mine", "./mine", None, None, "torch", "fp32"))
    assert {file.path for file in prepared.bundle.files} == {"config.json", "model.safetensors", "tokenizer.json"}
    assert prepared.bundle.proof["agreement"] == 1


def test_zero_shot_classification_takes_an_inference_model(project: Path) -> None:
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    tiny.save(project / "mine", "deberta-v2", "text-classification", id2label=labels)
    [prepared] = run(Target("mine", "./mine", None, "zero-shot-classification", "onnx", "fp32"))
    assert prepared.bundle.labels["2"] == "entailment"


def test_a_fast_tokenizer_is_made_from_a_vocabulary(project: Path, checkpoint: Path) -> None:
    folder = project / "mine"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((checkpoint / name).read_bytes())
    vocabulary = tiny.tokenizer("distilbert").get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)), encoding="utf-8")
    [prepared] = run(Target("mine", "./mine", None, None, "onnx", "fp32"))
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(prepared.target.folder / "tokenizer.json"))
    text = "Marie Curie was born in Warsaw."
    assert made.encode(text, "When?").ids == tiny.tokenizer("distilbert").encode(text, "When?").ids


def test_a_vocabulary_that_cannot_be_converted_is_one_sentence(project: Path) -> None:
    tiny.save(project / "mine", "xlm-roberta", "fill-mask")
    (project / "mine/tokenizer.json").unlink()
    (project / "mine/sentencepiece.bpe.model").write_bytes(b"not sentence pieces")
    with pytest.raises(
        ModelError, match=r"\./mine has no fast tokenizer: there is no tokenizer\.json, and transformers"
    ):
        run(Target("mine", "./mine", None, None, "onnx", "fp32"))
    assert files_below(project / "models/mine") == set()


def test_two_commands_do_not_work_in_the_same_folder(project: Path) -> None:
    with exclusive(), pytest.raises(ModelError, match="Another `models` command is working"):
        run(FP32)


@pytest.fixture
def environment(hub_server: HubServer) -> dict[str, str]:
    """For processes: the hub, and a home folder where nothing may be written."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "AWS_"))}
    return {**kept, "HF_ENDPOINT": hub_server.endpoint, "PYTHONPATH": str(PROJECT), "HOME": "/nonexistent"}


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from workbench.models.commands import models; models()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, timeout=100
    )


def test_the_command_says_what_it_does(
    project: Path, hub_server: HubServer, published: str, environment: dict[str, str]
) -> None:
    write_stack(project, [{"name": "nlp1", "source": SOURCE}])
    first = command(environment, "prepare", "nlp1")
    assert first.returncode == 0, first.stderr
    assert "nlp1 (onnx, fp32): exporting DistilBERT for question-answering" in first.stdout
    assert "100.0% of the answers to 60 probes the same" in first.stdout
    second = command(environment, "prepare")
    assert "nothing to do, models/nlp1/onnx-fp32 is up to date" in second.stdout
    assert hub_server.fetched("model.safetensors") == [0, 0]
