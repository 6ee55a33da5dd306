"""What a request may look like, and what one hears about a request that may not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from serving_kit import Ask, invoke

from handlers.serving.application import Application

QUESTION = "Who invented the car?"
CONTEXT = "The car was invented in 1886 by Karl Benz, an engineer of Mannheim."
VALID = {"question": QUESTION, "context": CONTEXT}
KNOWN = "model_type, question, context, top_k, max_answer_length"


def test_the_answer_has_the_fields_of_the_contract(ask: Ask) -> None:
    status, body, headers = ask(model_type="second", **VALID)
    assert status == 200
    assert set(body) == {"model_type", "question", "answer", "score", "start", "end"}
    assert (body["model_type"], body["question"]) == ("second", QUESTION)
    assert body["answer"] == CONTEXT[body["start"] : body["end"]]
    assert 0 < body["score"] <= 1
    assert headers["content-type"] == "application/json"


def test_the_first_model_answers_when_none_is_named(ask: Ask) -> None:
    assert ask(**VALID)[1]["model_type"] == "first"


def test_several_answers_come_best_first_and_the_best_one_in_front(ask: Ask) -> None:
    _, body, _ = ask(**VALID, top_k=5)
    assert len(body["answers"]) == 5
    assert all(set(answer) == {"answer", "score", "start", "end"} for answer in body["answers"])
    assert [answer["score"] for answer in body["answers"]] == sorted(
        (answer["score"] for answer in body["answers"]), reverse=True
    )
    assert body["answers"][0] == {field: body[field] for field in ("answer", "score", "start", "end")}


def test_a_context_with_few_spans_gives_fewer_answers_than_asked_for(ask: Ask) -> None:
    _, body, _ = ask(question=QUESTION, context="a b", top_k=20)
    assert sorted(answer["answer"] for answer in body["answers"]) == ["a", "a b", "b"]


def test_one_answer_comes_without_a_list(ask: Ask) -> None:
    assert "answers" not in ask(**VALID, top_k=1)[1]


def test_longer_answers_can_be_asked_for(ask: Ask) -> None:
    def words(length: int) -> int:
        answers = ask(question=QUESTION, context="a b c d e f g h", top_k=20, max_answer_length=length)[1]["answers"]
        return max(len(answer["answer"].split()) for answer in answers)

    assert words(1) == 1
    assert words(3) == 3


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"question": QUESTION}, "invalid_request", "context is missing; send it as text."),
        ({"context": CONTEXT}, "invalid_request", "question is missing; send it as text."),
        ({}, "invalid_request", "question is missing; send it as text."),
        ({**VALID, "question": 7}, "invalid_request", "question is 7; it must be text."),
        ({**VALID, "question": None}, "invalid_request", "question is null; it must be text."),
        ({**VALID, "context": [CONTEXT]}, "invalid_request", "context is a list; it must be text."),
        ({**VALID, "context": {"text": "x"}}, "invalid_request", "context is an object; it must be text."),
        ({**VALID, "question": ""}, "invalid_request", "question is empty"),
        ({**VALID, "context": " \n\t\u00a0 "}, "invalid_request", "context is empty"),
        ({**VALID, "context": "half \ud83d"}, "invalid_request", "context has one half of a character"),
        ({**VALID, "question": "\udc00?"}, "invalid_request", "question has one half of a character"),
        ({**VALID, "model_type": None}, "invalid_request", "model_type is null; it must be one of first, second, or"),
        ({**VALID, "model_type": 1}, "invalid_request", "model_type is 1; it must be one of first, second, or left"),
        ({**VALID, "model_type": "nlp3"}, "unknown_model", 'model_type is "nlp3"; the models here are first, second.'),
        ({**VALID, "model_type": ""}, "unknown_model", "model_type is a text of 0 characters; the models here are"),
        ({**VALID, "model_type": "../../etc"}, "unknown_model", "model_type is a text of 9 characters; the models"),
        ({**VALID, "top_k": 0}, "invalid_request", "top_k is 0; it must be an integer from 1 to 20, or left out."),
        ({**VALID, "top_k": 21}, "invalid_request", "top_k is 21; it must be an integer from 1 to 20, or left out."),
        ({**VALID, "top_k": -(10**30)}, "invalid_request", "top_k is a large number; it must be an integer from 1"),
        ({**VALID, "top_k": True}, "invalid_request", "top_k is true; it must be an integer from 1 to 20"),
        ({**VALID, "top_k": 2.0}, "invalid_request", "top_k is 2.0; it must be an integer from 1 to 20"),
        ({**VALID, "top_k": "5"}, "invalid_request", 'top_k is "5"; it must be an integer from 1 to 20'),
        ({**VALID, "top_k": None}, "invalid_request", "top_k is null; it must be an integer from 1 to 20"),
        ({**VALID, "max_answer_length": 0}, "invalid_request", "max_answer_length is 0; it must be an integer from 1"),
        ({**VALID, "max_answer_length": 129}, "invalid_request", "max_answer_length is 129; it must be an integer fr"),
        ({**VALID, "max_answer_length": False}, "invalid_request", "max_answer_length is false; it must be an integer"),
        (
            {**VALID, "topk": 5},
            "invalid_request",
            f'The body has an unknown field, "topk"; a request may have {KNOWN}.',
        ),
        (
            {**VALID, "to be or": 5},
            "invalid_request",
            "The body has an unknown field, a text of 8 characters; a request may",
        ),
        ({**VALID, "question": "x" * 2001}, "too_large", "question has 2001 characters; it may have 2000."),
        ({**VALID, "context": "x" * 100_001}, "too_large", "context has 100001 characters; it may have 100000."),
        ({**VALID, "context": "x " * 49_000}, "too_large", "context has 49000 tokens for model 'first'; with this"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(ask: Ask, fields: dict[str, Any], code: str, message: str) -> None:
    status, body, headers = ask(**fields)
    assert body["error"]["message"].startswith(message)
    assert body == {"error": {"code": code, "message": body["error"]["message"]}}
    assert status == {"invalid_request": 400, "unknown_model": 404, "too_large": 413}[code]
    assert headers["content-type"] == "application/json"
    assert QUESTION not in str(body)
    assert CONTEXT not in str(body)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({}, "The request has no body."),
        ({"body": None}, "The request has no body."),
        ({"body": ""}, "The request has no body."),
        ({"body": VALID}, "The request has no body."),
        ([], "The request has no body."),
        (
            {"body": "{question: 1}"},
            "The body is not JSON: Expecting property name enclosed in double quotes (li",
        ),
        ({"body": "not json"}, "The body is not JSON: Expecting value (line 1, column 1)."),
        ({"body": '{"question": "a'}, "The body is not JSON: Unterminated string starting at (line 1, column 14)."),
        ({"body": "[1, 2]"}, "The body is JSON but no object."),
        ({"body": '"text"'}, "The body is JSON but no object."),
        ({"body": "null"}, "The body is JSON but no object."),
        ({"body": '{"top_k": NaN}'}, "The body has the number NaN, which is not JSON."),
        ({"body": "[" * 100_000}, "The body is JSON that is too deep"),
        ({"body": '{"top_k": ' + "9" * 10_000 + "}"}, "The body is JSON that is too deep or has too long a number."),
        ({"body": "***", "isBase64Encoded": True}, "The body is not text in UTF-8."),
        ({"body": "/////w==", "isBase64Encoded": True}, "The body is not text in UTF-8."),
        ({"body": "bm90IGpzb24=", "isBase64Encoded": True}, "The body is not JSON: Expecting value (line 1, column 1)"),
    ],
    ids=range(17),
)
def test_a_body_that_is_no_json_object_is_told_so(application: Application, event: object, message: str) -> None:
    status, body, _ = invoke(application, event)
    assert (status, body["error"]["code"]) == (400, "invalid_json")
    assert body["error"]["message"].startswith(message)


def test_a_field_that_is_given_twice_is_refused(application: Application) -> None:
    status, body, _ = invoke(application, {"body": '{"question": "a", "context": "b", "question": "c"}'})
    assert (status, body["error"]["code"]) == (400, "invalid_request")
    assert body["error"]["message"] == "The body has a field twice. Send each field once."


def test_an_event_of_the_http_api_is_answered_with_or_without_base64(application: Application) -> None:
    text = json.dumps({"question": "Où est né Ángel?", "context": "Ángel est né à Málaga 🌞 en 1901."})
    event = {"version": "2.0", "routeKey": "POST /", "rawPath": "/develop/", "headers": {}, "requestContext": {}}
    plain = invoke(application, {**event, "body": text, "isBase64Encoded": False})
    encoded = base64.b64encode(text.encode()).decode()
    assert plain[0] == 200
    assert plain[1]["question"] == "Où est né Ángel?"
    assert invoke(application, {**event, "body": encoded, "isBase64Encoded": True})[1] == plain[1]
    assert invoke(application, {"body": text})[1] == plain[1]


def test_offsets_count_characters_where_json_writes_one_as_two(ask: Ask) -> None:
    context = "🚗🚗🚗 Benz 🚗"
    _, body, _ = ask(question="Who?", context=context, top_k=20)
    assert {(answer["start"], answer["end"]) for answer in body["answers"] if answer["answer"] == "Benz"} == {(4, 8)}
