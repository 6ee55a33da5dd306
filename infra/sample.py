"""The sample questions, and the ready-made command that asks one, or what models of other tasks are asked."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pulumi

from .bundles import LocalBundle
from .settings import Auth

PASSAGE = (
    "Cars came into global use during the 20th century, and developed economies depend on them. The year 1886 is "
    "regarded as the birth year of the modern car when German inventor Karl Benz patented his Benz Patent-Motorwagen. "
    "Cars became widely available in the early 20th century. One of the first cars accessible to the masses was the "
    "1908 Model T, an American car manufactured by the Ford Motor Company. Cars were rapidly adopted in the US, where "
    "they replaced animal-drawn carriages and carts, but took much longer to be accepted in Western Europe and other "
    "parts of the world."
)
QUESTIONS = ("When was the car invented?", "Who invented the car?")


# What models of the other tasks are asked.
_LABELS = ("history", "cooking", "sport")
_SENTENCE = "Karl Benz invented the car in Mannheim."


def sample_body(bundle: LocalBundle, question: str = QUESTIONS[0]) -> dict[str, Any]:
    """A right request for a model, whatever its task; `question` is what a question answering model is asked."""
    asked = {
        "question-answering": {"question": question, "context": PASSAGE},
        "zero-shot-classification": {"inputs": _SENTENCE, "parameters": {"candidate_labels": list(_LABELS)}},
    }.get(bundle.manifest.task, {"inputs": _SENTENCE})
    if bundle.manifest.task == "fill-mask":
        asked = {"inputs": f"Karl Benz invented the {_mask(bundle)} in Mannheim."}
    return {"model_type": bundle.name, **asked}


def _mask(bundle: LocalBundle) -> str:
    """How the bundle's tokenizer spells the token for a masked word."""
    tokens = json.loads((bundle.folder / "tokenizer.json").read_text(encoding="utf-8")).get("added_tokens", [])
    spelt = [token["content"] for token in tokens if token["content"].strip("[]<>").lower() == "mask"]
    return bundle.manifest.options.get("special_tokens", {}).get("mask") or next(iter(spelt), "[MASK]")


def sample_request(endpoint: pulumi.Input[str], bundle: LocalBundle, auth: Auth, region: str) -> pulumi.Output[str]:
    """The curl command with a right request for a model; with iam or jwt it reads the caller's credentials."""
    body = json.dumps(sample_body(bundle))
    credentials = {
        "none": "",
        "iam": (
            f' --aws-sigv4 "aws:amz:{region}:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
            ' -H "x-amz-security-token: $AWS_SESSION_TOKEN"'
        ),
        "jwt": ' -H "authorization: Bearer $TOKEN"',
    }[auth]
    return pulumi.Output.concat(
        "curl -sS ", endpoint, credentials, " -H 'content-type: application/json' -d ", shlex.quote(body)
    )
