# pyright: reportMissingImports=false
# ruff: noqa: RUF001 - the texts are meant to have characters that look like others
"""Records what the `question-answering` pipeline of transformers 4.57 answers, for `test_answers.py` to compare with.

transformers 5 no longer has that pipeline, so this runs in an environment of its own. Run it again whenever the demo
models were trained again, from the repository:

    python -m venv /tmp/pipeline
    /tmp/pipeline/bin/pip install 'transformers==4.57.*' torch onnxruntime
    /tmp/pipeline/bin/python tests/handlers/record_question_answering.py

The pipeline runs the very `model.onnx` of each bundle, so what is compared is all that happens around the model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
RECORD = Path(__file__).parent / "data" / "question_answering.json"
BUNDLES = ("models/demo/nlp1", "models/demo/nlp2", "tests/handlers/data/random")
TOP_K = (1, 5)

CARS = (
    "Cars came into global use during the 20th century, and developed economies depend on them. The year 1886 is "
    "regarded as the birth year of the modern car when German inventor Karl Benz patented his Benz Patent-Motorwagen. "
    "Cars became widely available in the early 20th century. One of the first cars accessible to the masses was the "
    "1908 Model T, an American car manufactured by the Ford Motor Company. Cars were rapidly adopted in the US, where "
    "they replaced animal-drawn carriages and carts, but took much longer to be accepted in Western Europe and other "
    "parts of the world."
)
WATER = (
    "The first public baths of the town were built by the brothers Ödön and Ágoston Szőke-Nagy in 1871. A naïve café "
    "owner, Mme. Hélène d'Aubigné, had asked for them (in vain) since 1859; the council's reply - \"not yet\" - hung "
    "framed above her counter. Entry cost €0.35, or $0.40 for visitors; e-mail re-entry passes came in 1998."
)
PAIRS: tuple[tuple[str, str], ...] = (
    ("When was the car invented?", CARS),
    ("Who invented the car?", CARS),
    ("Which company manufactured the Model T, and where was it that people rapidly adopted cars?", CARS),
    ("Who built the baths?", WATER),
    ("How much was the entry for visitors?", WATER),
    ("who asked for public baths since 1859", WATER),
    # several windows, the answer in the first, the middle or the last, the same words in several of them
    ("When was the car invented?", " ".join([CARS, *[WATER] * 6])),
    ("Who invented the car?", " ".join([*[WATER] * 6, CARS])),
    ("Who built the baths?", " ".join([*[CARS] * 4, WATER, *[CARS] * 4])),
    ("Who invented the car?", "\n\n".join([CARS] * 8)),
    ("Who invented the car? " * 6, " ".join([WATER, CARS] * 4)),
    ("Where?", " ".join(f"Item {number}: {number * 37 % 101}." for number in range(220))),
    # a word that the border of a window cuts
    ("Who?", " ".join(f"{'antidisestablishmentarianism' * 2}{letter} Ford" for letter in "abcdefghijklmnopqrstuvwxyz")),
    # few words, one word, one character
    ("When?", "1886"),
    ("When?", "In 1886."),
    ("Who?", "  Benz\t"),
    ("Who?", "B"),
    ("?", "?"),
    # not only ASCII: composed and combining accents, scripts without spaces, from right to left, emoji, ligatures
    ("Wo liegt Zürich?", "Zu\u0308rich liegt in der Schweiz, A\u030angstro\u0308m war Schwede; Zürich ist groß."),
    ("首都はどこですか？", "東京は日本の首都です。北京是中国的首都，人口很多。서울은 대한민국의 수도이다."),
    ("ما هي عاصمة مصر؟", "القاهرة هي عاصمة مصر وأكبر مدنها منذ 969. ירושלים היא עיר הבירה של ישראל מאז 1950."),
    ("Who built the 🚗?", "The 🚗 was built 🇩🇪 in 1886 by Karl 👍🏽 Benz, of the Benz 👩‍👩‍👧‍👦 family 😀."),
    ("What is it?", "The ﬁrst ½ of the ㎏, ＡＢＣ in full width, İstanbul and straße, Việt Nam, ῾Ελλάς."),
    # white space, control characters, and tokens of the tokenizer itself
    ("Which line?", "first line\r\nsecond\tline\u00a0here\u2003and\u200bthere a\x00b \ufffd c\u200dd"),
    ("What is masked?", "The [MASK] was built in 1886 [SEP] by [CLS] Benz [UNK] and [PAD] others."),
    ("What is [SEP] in 1886?", "The car was invented in 1886 by Karl Benz."),
)


def main() -> None:
    import transformers

    transformers.logging.set_verbosity(50)  # or it says that it does not know the class of the model
    record: dict[str, Any] = {
        "transformers": transformers.__version__,
        "pairs": [{"question": question, "context": context} for question, context in PAIRS],
        "bundles": {bundle: record_bundle(REPOSITORY / bundle) for bundle in BUNDLES},
    }
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def record_bundle(folder: Path) -> dict[str, Any]:
    """The digest of a bundle and, for each pair and each number of answers, the answers of the pipeline."""
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    pipeline = make_pipeline(folder, manifest["max_length"])
    answers = []
    for question, context in PAIRS:
        found = {}
        for top_k in TOP_K:
            best = pipeline(question=question, context=context, top_k=top_k)
            # The pipeline fills up with spans that end before they start and with the classification token, all of
            # them with a score of 0, where a context has too few spans. Those are no answers.
            found[top_k] = [answer for answer in (best if isinstance(best, list) else [best]) if answer["score"] > 0]
        answers.append(found)
    print(f"{folder.name}: {len(answers)} pairs", file=sys.stderr)
    return {"digest": manifest["digest"], "answers": answers}


def make_pipeline(folder: Path, max_length: int) -> Any:
    """The pipeline, around the tokenizer and the ONNX model of a bundle."""
    import onnxruntime
    import torch
    from transformers import DistilBertConfig, PreTrainedModel, PreTrainedTokenizerFast, QuestionAnsweringPipeline
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

    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        **{name: token for name, token in special.items() if token in vocabulary},
    )
    return QuestionAnsweringPipeline(model=OnnxModel(DistilBertConfig()), tokenizer=tokenizer, device=-1)


if __name__ == "__main__":
    main()
