# pyright: reportMissingImports=false
"""Makes `data/tasks`: a tiny model of random weights for each task, and what the pipelines of transformers reply to it.

Each folder is a bundle with, next to it, `<folder>.json`: requests and the replies that `test_tasks.py` compares with.
The replies are those of the pipeline to one text at a time, in the shape of the Inference API; for embeddings, of the
formula of sentence-transformers. Run it again when the format of bundles changes, in an environment with `.[prepare]`:

    python tests/handlers/record_tasks.py [FOLDER ...]
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast, pipeline

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from question_answering_pairs import CARS, WATER, WRITTEN  # noqa: E402

from workbench.models.bundles import seal  # noqa: E402

FOLDER = Path(__file__).parent / "data" / "tasks"
MAX_LENGTH = 64
SOURCE = {"id": "tests/handlers/record_tasks.py", "revision": "1"}

# Short and longer than the model reads, and whatever else of Unicode the questions are asked about.
TEXTS = [
    "Karl Benz, of Mannheim, invented the car in 1886.",
    "B",
    CARS,
    WATER,
    "Who? Ödön Szőke-Nagy!",
    *(context for _, context in WRITTEN[-8:]),
    " ".join([WATER, CARS]),
]
MASKED = [
    "The car was invented in {}.",
    "{}",
    "{} café owner, Mme. Hélène d'Aubigné, asked for them.",
    "The first {} of the {} were built 🚗 by {}",
    f"{{}} {CARS}",
]
ENTITIES = {"0": "O", "1": "B-PER", "2": "I-PER", "3": "B-LOC", "4": "I-LOC", "5": "MISC"}
INFERENCE = {"0": "contradiction", "1": "neutral", "2": "entailment"}
AGGREGATIONS = ("none", "simple", "first", "average", "max")


@dataclass(frozen=True)
class Model:
    """A model to make: `head` is the class of transformers, and `cases` the texts and parameters of requests."""

    task: str
    head: str
    output: str
    tokenizer: Callable[[], Tokenizer]
    cases: list[tuple[list[str], dict[str, Any]]]
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def uncased() -> Tokenizer:
    return word_pieces(lowercase=True)


def cased() -> Tokenizer:
    return word_pieces(lowercase=False)


def word_pieces(*, lowercase: bool) -> Tokenizer:
    """The tokenizer of BERT, with a vocabulary so small that most words have several tokens."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXTS[:4], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def byte_pairs() -> Tokenizer:
    """The tokenizer of RoBERTa, with few pairs."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS[:4], trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


MODELS: dict[str, Model] = {
    "text_classification": Model(
        "text-classification",
        "DistilBertForSequenceClassification",
        "logits",
        uncased,
        [
            (TEXTS, {}),
            (TEXTS[:3], {"top_k": 2}),
            (TEXTS[:3], {"function_to_apply": "sigmoid"}),
            (TEXTS[:3], {"function_to_apply": "none", "top_k": 1}),
        ],
        labels={"0": "very bad", "1": "bad", "2": "good", "3": "very good"},
    ),
    "text_classification_multi_label": Model(
        "text-classification",
        "BertForSequenceClassification",
        "logits",
        cased,
        [(TEXTS, {}), (TEXTS[:3], {"function_to_apply": "softmax"})],
        labels={str(index): f"topic {index}" for index in range(12)},
        options={"problem_type": "multi_label_classification"},
    ),
    "token_classification": Model(
        "token-classification",
        "BertForTokenClassification",
        "logits",
        cased,
        [
            *((TEXTS, {"aggregation_strategy": strategy}) for strategy in AGGREGATIONS),
            (TEXTS, {"aggregation_strategy": "simple", "stride": 16}),
            (TEXTS, {"aggregation_strategy": "average", "stride": 0, "ignore_labels": ["PER", "MISC"]}),
            (TEXTS[:3], {"ignore_labels": []}),
        ],
        labels=ENTITIES,
    ),
    "token_classification_byte_pairs": Model(
        "token-classification",
        "RobertaForTokenClassification",
        "logits",
        byte_pairs,
        [*((TEXTS, {"aggregation_strategy": strategy}) for strategy in AGGREGATIONS)],
        labels=ENTITIES,
    ),
    "feature_extraction": Model(
        "feature-extraction",
        "BertModel",
        "last_hidden_state",
        uncased,
        [
            (TEXTS[:2] + TEXTS[4:7], {}),
            (TEXTS, {"normalize": True}),
            (TEXTS[:4], {"pooling": "mean"}),
            (TEXTS[:4], {"pooling": "cls", "normalize": True}),
        ],
    ),
    "fill_mask": Model(
        "fill-mask",
        "DistilBertForMaskedLM",
        "logits",
        uncased,
        [
            ([text.replace("{}", "[MASK]") for text in MASKED], {}),
            ([MASKED[0].replace("{}", "[MASK]")], {"top_k": 20}),
            ([MASKED[0].replace("{}", "[MASK]")], {"targets": ["car", "motorwagen", "the"]}),
        ],
    ),
    "fill_mask_byte_pairs": Model(
        "fill-mask",
        "RobertaForMaskedLM",
        "logits",
        byte_pairs,
        [([text.replace("{}", "<mask>") for text in MASKED], {"top_k": 3})],
    ),
    "zero_shot_classification": Model(
        "zero-shot-classification",
        "BertForSequenceClassification",
        "logits",
        uncased,
        [
            (TEXTS, {"candidate_labels": ["cars", "public baths", "日本"]}),
            (TEXTS, {"candidate_labels": ["cars", "public baths"], "multi_label": True}),
            (TEXTS[:3], {"candidate_labels": ["cars", "water"], "hypothesis_template": "It is about {}!"}),
            (TEXTS[:3], {"candidate_labels": "cars"}),
        ],
        labels=INFERENCE,
    ),
}


def main(names: list[str]) -> None:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for name in names or MODELS:
        print(name, file=sys.stderr)
        model = MODELS[name]
        tokenizer = model.tokenizer()
        network = build(name, tokenizer)
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        tokenizer.save(str(folder / "tokenizer.json"))
        export(network, model.output, folder / "model.onnx")
        bundle = seal_model(folder, name, "onnx")
        answer = make_pipeline(model, tokenizer, network)
        cases = [
            {"parameters": parameters, "texts": texts, "replies": [answer(text, parameters) for text in texts]}
            for texts, parameters in model.cases
        ]
        record = {"transformers": transformers.__version__, "digest": bundle.digest, "cases": cases}
        text = json.dumps(rounded(record), ensure_ascii=False, separators=(",", ":")).replace(
            '{"parameters"', '\n{"parameters"'
        )
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def seal_model(folder: Path, name: str, engine: str) -> Any:
    """The bundle of the files in `folder`."""
    model = MODELS[name]
    return seal(
        folder,
        name=name,
        task=model.task,
        engine=engine,
        precision="fp32",
        source=SOURCE,
        max_length=MAX_LENGTH,
        labels=model.labels,
        options=model.options,
    )


def build(name: str, tokenizer: Tokenizer) -> Any:
    """The model, with the same weights each time. Tokenizers are not trained the same each time."""
    model = MODELS[name]
    torch.manual_seed(sum(name.encode()))
    roberta, distil = model.head.startswith("Roberta"), model.head.startswith("DistilBert")
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    if distil:
        sizes = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 2}
    head = getattr(transformers, model.head)
    config = head.config_class(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=MAX_LENGTH + (2 if roberta else 0),
        pad_token_id=1 if roberta else 0,
        initializer_range=0.4,  # large, or all scores would be about the same
        **sizes,
        **({"type_vocab_size": 1} if roberta else {}),
        **({"id2label": {int(index): label for index, label in model.labels.items()}} if model.labels else {}),
        **({"label2id": {label: int(index) for index, label in model.labels.items()}} if model.labels else {}),
        **model.options,
    )
    arguments = {"add_pooling_layer": False} if model.head == "BertModel" else {}
    return head(config, **arguments).eval()


def export(network: Any, output: str, destination: Path) -> None:
    class Output(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            return self.network(input_ids=input_ids, attention_mask=attention_mask, **types)[output]

    network.set_attn_implementation("eager")
    ids = torch.arange(32).reshape(2, 16)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if getattr(network.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        Output().eval(),
        kwargs=inputs,
        dynamo=True,
        dynamic_shapes=dict.fromkeys(inputs, free),
        input_names=list(inputs),
        output_names=[output],
        verbose=False,
    )
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # where in the source of the model a node comes from: half of the file
    program.save(str(destination))


def make_pipeline(model: Model, tokenizer: Tokenizer, network: Any) -> Callable[[str, dict[str, Any]], Any]:
    """The reply of the pipeline to a text and parameters, in the shape of the Inference API."""
    usual = ("<s>", "</s>", "<pad>", "<unk>", "<mask>")
    if model.tokenizer is not byte_pairs:
        usual = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
    special = dict(zip(("cls_token", "sep_token", "pad_token", "unk_token", "mask_token"), usual, strict=True))
    takes_types = getattr(network.config, "type_vocab_size", 0) > 1
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", *(["token_type_ids"] if takes_types else []), "attention_mask"],
        **special,
    )
    make: Any = pipeline  # its overloads want the task spelt out
    answer = make(model.task, model=network, tokenizer=fast, device=-1)

    def text_classification(text: str, parameters: dict[str, Any]) -> Any:
        return [answer(text, truncation=True, **{"top_k": None, **parameters})]

    def token_classification(text: str, parameters: dict[str, Any]) -> Any:
        return answer(text, **parameters)

    def feature_extraction(text: str, parameters: dict[str, Any]) -> Any:
        if not parameters:
            return answer(text, truncation=True)
        inputs = fast(text, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = network(**inputs).last_hidden_state
        mask = inputs["attention_mask"][..., None].float()
        vector = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        if parameters.get("pooling") == "cls":
            vector = hidden[:, 0]
        if parameters.get("normalize"):
            vector = torch.nn.functional.normalize(vector, p=2, dim=1)
        return vector[0].tolist()

    def fill_mask(text: str, parameters: dict[str, Any]) -> Any:
        return answer(text, tokenizer_kwargs={"truncation": True}, **parameters)

    def zero_shot_classification(text: str, parameters: dict[str, Any]) -> Any:
        reply = answer(text, **parameters)
        pairs = zip(reply["labels"], reply["scores"], strict=True)
        return [{"label": label, "score": score} for label, score in pairs]

    return locals()[model.task.replace("-", "_")]


def rounded(value: Any) -> Any:
    """A reply as JSON has it, its numbers with as many digits as are compared."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return round(float(value), 6) if hasattr(value, "dtype") or isinstance(value, float) else value


if __name__ == "__main__":
    main(sys.argv[1:])
