# pyright: reportMissingImports=false
"""Records what the `question-answering` pipeline of transformers 4.57 answers, for the tests to compare with.

transformers 5 no longer has that pipeline, so this runs in an environment of its own. Run it again whenever the demo
models were trained again, or pairs were added, from the repository:

    python -m venv /tmp/pipeline
    /tmp/pipeline/bin/pip install 'transformers==4.57.*' torch onnxruntime
    /tmp/pipeline/bin/python tests/handlers/record_question_answering.py

The pipeline runs the very `model.onnx` of each bundle, so what is compared is all that happens around the model. The
model of full size is too large to be kept; it is made from a seed, here and in the tests, and run by PyTorch here.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from question_answering_pairs import PAIRS  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
RECORD = Path(__file__).parent / "data" / "question_answering.json"
BUNDLES = ("models/demo/nlp1", "models/demo/nlp2", "tests/handlers/data/random")
FULL_SIZE = "full size"
# The vocabulary of the first demo model; the table of embeddings is larger than it needs.
FULL_SIZE_TOKENIZER = REPOSITORY / BUNDLES[0] / "tokenizer.json"
TOP_K = (1, 5)


def main() -> None:
    import full_size
    import transformers

    transformers.logging.set_verbosity(50)  # or it says that it does not know the class of the model
    models: dict[str, Any] = {}
    for bundle in BUNDLES:
        folder = REPOSITORY / bundle
        manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        pipeline = make_pipeline(onnx_model(folder), folder / "tokenizer.json", manifest["max_length"])
        models[bundle] = {"digest": manifest["digest"], "answers": record(pipeline, bundle)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        digest = full_size.make(folder, FULL_SIZE_TOKENIZER)
        model = transformers.DistilBertForQuestionAnswering.from_pretrained(folder).eval()
        pipeline = make_pipeline(model, folder / "tokenizer.json", full_size.MAX_LENGTH)
        models[FULL_SIZE] = {"digest": digest, "answers": record(pipeline, FULL_SIZE)}
    pairs = [{"question": question, "context": context} for question, context in PAIRS]
    RECORD.write_text(written({"transformers": transformers.__version__}, pairs, models), encoding="utf-8")


def record(pipeline: Any, name: str) -> list[dict[str, list[list[Any]]]]:
    """For each pair and each number of answers, the answers of the pipeline: text, score, start and end."""
    answers = []
    for question, context in PAIRS:
        found = {}
        for top_k in TOP_K:
            best = pipeline(question=question, context=context, top_k=top_k)
            # The pipeline fills up with spans that end before they start and with the classification token, all of
            # them with a score of 0, where a context has too few spans. Those are no answers.
            found[str(top_k)] = [
                [answer["answer"], float(f"{answer['score']:.8g}"), answer["start"], answer["end"]]
                for answer in (best if isinstance(best, list) else [best])
                if answer["score"] > 0
            ]
        answers.append(found)
    print(f"{name}: {len(answers)} pairs", file=sys.stderr)
    return answers


def written(head: dict[str, Any], pairs: Sequence[Any], models: dict[str, Any]) -> str:
    """The record as JSON with one pair a line, so that a difference shows what differs."""

    def lines(items: Sequence[Any]) -> str:
        return ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)

    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    parts.append(f'"pairs": [\n{lines(pairs)}\n]')
    bodies = [
        f'{json.dumps(name)}: {{"digest": {json.dumps(model["digest"])}, "answers": [\n{lines(model["answers"])}\n]}}'
        for name, model in models.items()
    ]
    parts.append('"models": {\n' + ",\n".join(bodies) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def make_pipeline(model: Any, tokenizer_file: Path, max_length: int) -> Any:
    """The pipeline, around a model and a tokenizer."""
    from transformers import PreTrainedTokenizerFast, QuestionAnsweringPipeline

    vocabulary = json.loads(tokenizer_file.read_text(encoding="utf-8"))["model"]["vocab"]
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_file),
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        **{name: token for name, token in special.items() if token in vocabulary},
    )
    return QuestionAnsweringPipeline(model=model, tokenizer=tokenizer, device=-1)


def onnx_model(folder: Path) -> Any:
    """The ONNX model of a bundle as a model of transformers."""
    import onnxruntime
    import torch
    from transformers import DistilBertConfig, PreTrainedModel
    from transformers.modeling_outputs import QuestionAnsweringModelOutput

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    class OnnxModel(PreTrainedModel):
        config_class = DistilBertConfig
        device = torch.device("cpu")  # what the pipeline would ask the weights for, and there are none here

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            inputs = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
            start, end = session.run(["start_logits", "end_logits"], inputs)
            return QuestionAnsweringModelOutput(
                start_logits=torch.from_numpy(start),  # pyright: ignore[reportArgumentType]
                end_logits=torch.from_numpy(end),  # pyright: ignore[reportArgumentType]
            )

    return OnnxModel(DistilBertConfig())


if __name__ == "__main__":
    main()
