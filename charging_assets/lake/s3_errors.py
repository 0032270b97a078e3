"""Translate botocore's exceptions into `LakeError`s that name the remedy and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from charging_assets.lake.store import LakeError

_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "RequestExpired",
}
_REGION = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
}
_MISSING = {"NoSuchKey", "404", "NotFound"}
# The response to HEAD has no body, only a status.
_DENIED = {"AccessDenied", "AllAccessDisabled", "403", "Forbidden"}


def code_of(error: Any) -> str:
    """S3's error code, such as `NoSuchKey`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: Any) -> bool:
    """Whether the error means that the object does not exist."""
    return code_of(error) in _MISSING


@contextmanager
def translate_errors(action: str, bucket: str, endpoint: str) -> Iterator[None]:
    """Turn what botocore raises into a LakeError; `action` begins the message."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        raise LakeError(f"{action}: {_explain_refusal(error, bucket, endpoint)}") from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound) as error:
        raise LakeError(
            f"{action}: no credentials ({error}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "AWS_PROFILE, or give the machine a role"
        ) from error
    except boto.NoRegionError as error:
        raise LakeError(f"{action}: no region; set AWS_REGION to the bucket's") from error
    except (boto.BotoCoreError, boto.HTTPClientError, OSError, ValueError) as error:
        raise LakeError(
            f"{action}: {endpoint} cannot be reached or answers badly ({error}); "
            "check the network, AWS_ENDPOINT_URL_S3 and AWS_REGION"
        ) from error


def _explain_refusal(error: Any, bucket: str, endpoint: str) -> str:
    code = code_of(error)
    message = error.response.get("Error", {}).get("Message", "")
    if code == "NoSuchBucket":
        return (
            f"the bucket {bucket} does not exist at {endpoint}; create it, or set CHARGING_LAKE "
            "(or CHARGING_S3_BUCKET) to one that does"
        )
    if code in _CREDENTIALS:
        return f"{endpoint} refuses the credentials ({code}: {message}); check AWS_ACCESS_KEY_ID"
    if code in _REGION:
        return (
            f"the bucket is in another region ({code}: {message}); set AWS_REGION to the bucket's"
        )
    if code in _DENIED:
        return (
            f"{endpoint} denies it ({code}); the credentials are wrong, or lack the permission "
            f"{error.operation_name} needs on the bucket {bucket}"
        )
    return f"{endpoint} returned {code}: {message}"
