"""What a checkpoint is and which of its files are needed, from names and configuration alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.models.checkpoint import Description, describe, describing_files, weight_files
from workbench.models.errors import ModelError

WHOLE = ["config.json", "tokenizer.json", "model.safetensors"]


def described(folder: Path, task: str | None = None, tokenizer: dict | None = None, **config: object) -> Description:
    fields = {"model_type": "bert", "architectures": ["BertForQuestionAnswering"], "max_position_embeddings": 512}
    (folder / "config.json").write_text(json.dumps(fields | config), encoding="utf-8")
    if tokenizer is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return describe(folder, "acme/it", task)


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertForQuestionAnswering", "question-answering"),
        ("BertForSequenceClassification", "text-classification"),
        ("BertForTokenClassification", "token-classification"),
        ("BertForMaskedLM", "fill-mask"),
        ("BertModel", "feature-extraction"),
    ],
)
def test_the_task_follows_from_the_architecture(architecture: str, task: str, tmp_path: Path) -> None:
    assert described(tmp_path, architectures=[architecture]).task == task


def test_the_configuration_of_the_stack_may_set_the_task(tmp_path: Path) -> None:
    nli = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "contradiction", "1": "entailment"}}
    assert described(tmp_path, "zero-shot-classification", **nli).labels == {"0": "contradiction", "1": "entailment"}


def test_zero_shot_needs_a_label_for_entailment(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has the labels bad, good, and none of them is entailment"):
        described(tmp_path, "zero-shot-classification", id2label={"0": "bad", "1": "good"})


def test_an_unknown_task_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'summarization'; supported are question-answering, text-classification"):
        described(tmp_path, "summarization")


def test_an_architecture_without_a_task_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a BertForMultipleChoice, from which no task follows; set the model's `ta"):
        described(tmp_path, architectures=["BertForMultipleChoice"])


def test_code_of_the_models_own_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="brings Python code of its own"):
        described(tmp_path, auto_map={"AutoModel": "modeling.Mine"})


@pytest.mark.parametrize(
    ("config", "tokenizer", "expected"),
    [
        ({}, None, 512),
        ({}, {"model_max_length": 384}, 384),
        ({}, {"model_max_length": 1e30}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, None, 512),
        ({"model_type": "modernbert", "max_position_embeddings": 8192}, {"model_max_length": 8192}, 2048),
    ],
)
def test_the_longest_input_is_what_model_and_tokenizer_allow(
    config: dict, tokenizer: dict | None, expected: int, tmp_path: Path
) -> None:
    assert described(tmp_path, None, tokenizer, **config).max_length == expected


def test_a_checkpoint_that_is_not_one_of_transformers_is_refused() -> None:
    with pytest.raises(ModelError, match=r"acme/it has no config\.json"):
        describing_files(["model.gguf"], "acme/it")


def test_weights_of_other_frameworks_are_refused() -> None:
    with pytest.raises(ModelError, match="has no weights that can be loaded"):
        describing_files(["config.json", "tokenizer.json", "tf_model.h5"], "acme/it")


def test_without_any_vocabulary_there_is_no_fast_tokenizer() -> None:
    with pytest.raises(ModelError, match=r"has no fast tokenizer: there is no tokenizer\.json, nor a vocabulary"):
        describing_files(["config.json", "model.safetensors", "vocab.json"], "acme/it")


def test_a_vocabulary_is_taken_where_there_is_no_fast_tokenizer() -> None:
    files = describing_files(["config.json", "model.safetensors", "vocab.json", "merges.txt"], "acme/it")
    assert files == ["config.json", "vocab.json", "merges.txt"]


@pytest.mark.parametrize(
    ("part", "problem"), [("model-1.safetensors", "is incomplete"), ("../../x", "outside of the checkpoint")]
)
def test_an_index_that_names_a_wrong_file_is_refused(part: str, problem: str, tmp_path: Path) -> None:
    index = "model.safetensors.index.json"
    (tmp_path / index).write_text(json.dumps({"weight_map": {"a": part}}), encoding="utf-8")
    with pytest.raises(ModelError, match=problem):
        weight_files([*WHOLE[:2], index, "../../x"], tmp_path, "acme/it")


def sentence_model(folder: Path, mode: str, *others: str) -> Description:
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": False, f"pooling_mode_{mode}": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling), encoding="utf-8")
    modules = [{"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Pooling", *others)]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    return described(folder, architectures=["BertModel"])


def test_an_embedding_model_brings_its_pooling(tmp_path: Path) -> None:
    assert sentence_model(tmp_path, "cls_token", "Normalize").options == {"pooling": "cls", "normalize": True}


def test_pooling_that_is_not_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"pools its tokens by max_tokens .* mean_tokens, cls_token can be prepared"):
        sentence_model(tmp_path, "max_tokens")


def test_modules_that_are_not_served_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has a module Dense after its encoder"):
        sentence_model(tmp_path, "mean_tokens", "Dense")


def test_what_a_task_has_to_know_is_taken_along(tmp_path: Path) -> None:
    config = {"architectures": ["BertForSequenceClassification"], "problem_type": "multi_label_classification"}
    found = described(tmp_path, None, {"mask_token": {"content": "<m>"}, "pad_token": "[PAD]"}, **config)
    assert found.options == {"problem_type": "multi_label_classification", "special_tokens": {"mask": "<m>"}}
