"""What IAM policies come to, as AWS evaluates them: as far as the policies of `deploy/` go.

Belongs here: the grammar that is used, and allow and deny. A policy that uses more than is known
here is an error, never a yes. Does not belong here: which policy should allow what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import jsonschema

_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
OPERATORS = ("ArnNotLike", "Bool", "Null", "NumericLessThan", "StringEquals", "StringLike")

# The grammar of policies, without what none of ours uses (NotAction, NotResource, NotPrincipal).
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
    """A call to AWS: the action, what it is done to, and the keys of its context."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def check_grammar(policy: Any) -> None:
    """Raises jsonschema.ValidationError for what is no policy, or doubled statement names."""
    jsonschema.validate(policy, GRAMMAR)
    names = [statement["Sid"] for statement in policy["Statement"]]
    if len(names) != len(set(names)):
        raise jsonschema.ValidationError(f"doubled Sid in {names}")


def allowed(request: Request, identity: Iterable[Any], bucket: Any = None) -> bool:
    """Whether policies of an identity, and one of the bucket, let a request through."""
    statements = [s for policy in identity for s in policy["Statement"]]
    on_bucket = bucket["Statement"] if bucket else []
    matching = [s["Effect"] for s in (*statements, *on_bucket) if _matches(s, request)]
    return "Allow" in matching and "Deny" not in matching


def texts(value: str | list[str]) -> list[str]:
    """One or several, as several."""
    return [value] if isinstance(value, str) else value


def _matches(statement: Any, request: Request) -> bool:
    return (
        any(_like(request.action.lower(), a.lower()) for a in texts(statement["Action"]))
        and any(_like(request.resource, r) for r in texts(statement["Resource"]))
        and all(
            _holds(operator, request.context.get(key), texts(wanted))
            for operator, conditions in statement.get("Condition", {}).items()
            for key, wanted in conditions.items()
        )
    )


def _holds(operator: str, given: str | None, wanted: list[str]) -> bool:
    if operator == "Null":
        return (given is None) == (wanted == ["true"])
    if operator == "ArnNotLike":  # a negated operator holds where the key is absent
        return given is None or not any(_like(given, pattern) for pattern in wanted)
    if given is None:
        return False
    if operator == "StringLike":
        return any(_like(given, pattern) for pattern in wanted)
    if operator == "NumericLessThan":
        return any(float(given) < float(number) for number in wanted)
    if operator in {"StringEquals", "Bool"}:
        return given in wanted
    raise NotImplementedError(operator)


def _like(given: str, pattern: str) -> bool:
    # fnmatch knows brackets, which are plain characters here.
    return fnmatchcase(given, pattern.replace("[", "[[]"))
