# pyright: reportMissingImports=false
"""A model with transformers and PyTorch, as their documentation has it: `from_pretrained`, `no_grad`, two argmaxes."""

from __future__ import annotations

import json
from typing import Any

import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, pipeline

from .stages import reply, stage


class Model:
    """The checkpoint in a folder. Tasks other than question answering are left to the pipeline of transformers."""

    def __init__(self, folder: str, task: Any) -> None:
        with stage("session"):
            if task == "question-answering":
                self.tokenizer = AutoTokenizer.from_pretrained(folder)
                self.model = AutoModelForQuestionAnswering.from_pretrained(folder)
                self.model.eval()
                self.pipeline = None
            else:
                self.pipeline = pipeline(task, model=folder)

    def handle(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        body = json.loads(event["body"])
        if self.pipeline is not None:
            with stage("infer"):
                return reply(self.pipeline(body["inputs"], **body.get("parameters", {})))
        with stage("tokenize"):
            inputs = self.tokenizer(body["question"], body["context"], truncation=True, return_tensors="pt")
        with stage("infer"), torch.no_grad():
            outputs = self.model(**inputs)
        start, end = int(outputs.start_logits.argmax()), int(outputs.end_logits.argmax())
        answer = self.tokenizer.decode(inputs["input_ids"][0][start : end + 1])
        return reply({"question": body["question"], "answer": answer})
