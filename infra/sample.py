"""The sample questions, and the ready-made command that asks one."""

from __future__ import annotations

import json
import shlex

import pulumi

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


def sample_request(endpoint: pulumi.Input[str], model: str, auth: Auth, region: str) -> pulumi.Output[str]:
    """The curl command that asks `model` the first sample question; with iam or jwt it reads the caller's credentials."""
    body = json.dumps({"model_type": model, "question": QUESTIONS[0], "context": PASSAGE})
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
