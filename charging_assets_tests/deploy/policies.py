"""Evaluate IAM policies as AWS does, for the elements that the policies of `deploy/` use.

A policy with other elements is an error, never an allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import jsonschema

_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
OPERATORS = (
    "ArnLike", "ArnNotLike", "Bool", "Null", "NumericLessThan", "StringEquals", "StringLike",
)  # fmt: skip

# The grammar of policies, without unused elements (NotAction, NotResource, NotPrincipal).
GRAMMAR = {
    "type": "object",
    "required": ["Version", "Statement"],
    "additionalProperties": False,
    "properties": {
        "Version": {"const": "2012-10-17"},
        "Statement": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["Sid", "Effect", "Action"],
                "additionalProperties": False,
                "properties": {
                    "Sid": {"type": "string", "pattern": "^[A-Za-z0-9]+$"},
                    "Effect": {"enum": ["Allow", "Deny"]},
                    "Action": _TEXTS,
                    "Resource": _TEXTS,
                    "Principal": {
                        "anyOf": [
                            {"const": "*"},
                            {
                                "type": "object",
                                "propertyNames": {"enum": ["AWS", "Service"]},
                                "additionalProperties": _TEXTS,
                            },
                        ]
                    },
                    "Condition": {
                        "type": "object",
                        "propertyNames": {"enum": list(OPERATORS)},
                        "additionalProperties": {
                            "type": "object",
                            "minProperties": 1,
                            "additionalProperties": _TEXTS,
                        },
                    },
                },
            },
        },
    },
}


@dataclass(frozen=True)
class Request:
    """A call to AWS: action, resource and context keys."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def check_grammar(policy: Any) -> None:
    """Raise jsonschema.ValidationError for invalid policies and duplicate statement ids."""
    jsonschema.validate(policy, GRAMMAR)
    names = [statement["Sid"] for statement in policy["Statement"]]
    if len(names) != len(set(names)):
        raise jsonschema.ValidationError(f"duplicate Sid in {names}")


def is_allowed(request: Request, identity: Iterable[Any], bucket: Any = None) -> bool:
    """Whether the policies of an identity and of the bucket allow a request."""
    statements = [s for policy in identity for s in policy["Statement"]]
    on_bucket = bucket["Statement"] if bucket else []
    matching = [s["Effect"] for s in (*statements, *on_bucket) if _matches(s, request)]
    return "Allow" in matching and "Deny" not in matching


def texts(value: str | list[str]) -> list[str]:
    """A value or a list as a list."""
    return [value] if isinstance(value, str) else value


def _matches(statement: Any, request: Request) -> bool:
    return (
        any(_like(request.action.lower(), a.lower()) for a in texts(statement["Action"]))
        and any(_like(request.resource, r) for r in texts(statement["Resource"]))
        and all(
            _is_met(operator, request.context.get(key), texts(expected))
            for operator, conditions in statement.get("Condition", {}).items()
            for key, expected in conditions.items()
        )
    )


def _is_met(operator: str, actual: str | None, expected: list[str]) -> bool:
    if operator == "Null":
        return (actual is None) == (expected == ["true"])
    if operator == "ArnNotLike":  # a negated operator is met if the key is absent
        return actual is None or not any(_like(actual, pattern) for pattern in expected)
    if actual is None:
        return False
    if operator in {"StringLike", "ArnLike"}:
        return any(_like(actual, pattern) for pattern in expected)
    if operator == "NumericLessThan":
        return any(float(actual) < float(number) for number in expected)
    if operator in {"StringEquals", "Bool"}:
        return actual in expected
    raise NotImplementedError(operator)


def _like(actual: str, pattern: str) -> bool:
    # Brackets are special in fnmatch, and plain characters in policies.
    return fnmatchcase(actual, pattern.replace("[", "[[]"))
