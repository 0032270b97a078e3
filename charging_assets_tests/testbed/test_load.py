"""COPY from S3: manifests, strict types by position, limits in bytes, roles."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redshift_connector

from charging_assets_tests.testbed.bed import Bed
from charging_assets_tests.testbed.load import fits

Copied = Callable[..., list[list[Any]]]
NOON = datetime.datetime(2024, 1, 1, 12, 0, 0, 123456)


def parquet(**columns: Any) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


GOOD = {"a": pa.array([1, 2], pa.int64()), "b": ["größ", None]}


@pytest.fixture(scope="module")
def copied(testbed: Bed) -> Iterator[Copied]:
    """COPY objects into `t (a BIGINT NOT NULL, b VARCHAR(6))`; its rows, or the error's fields."""
    database, bucket = testbed.new_database(), testbed.new_bucket()
    client = testbed.weed.client(bucket.admin)
    connection = redshift_connector.connect(**database.connection_arguments())
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a BIGINT NOT NULL, b VARCHAR(6))")
    connection.commit()

    def copy(
        *bodies: bytes,
        role: str = database.iam_role,
        length: Callable[[int], Any] = lambda length: length,
        more: list[dict[str, Any]] | None = None,
        options: str = "FORMAT AS PARQUET MANIFEST",
        target: str = "t",
    ) -> list[list[Any]]:
        entries = list(more or [])
        for number, body in enumerate(bodies):
            client.put_object(Bucket=bucket.bucket, Key=f"parts/{number}", Body=body)
            url = f"s3://{bucket.bucket}/parts/{number}"
            meta = {"content_length": length(len(body))}
            entries.append({"url": url, "mandatory": True, "meta": meta})
        manifest = json.dumps({"entries": entries}).replace("BUCKET", bucket.bucket)
        client.put_object(Bucket=bucket.bucket, Key="manifest", Body=manifest.encode())
        source = "manifest" if "MANIFEST" in options else "parts/"
        try:
            cursor.execute(
                f"COPY {target} FROM 's3://{bucket.bucket}/{source}' IAM_ROLE '{role}' {options}"
            )
            cursor.execute("SELECT * FROM t ORDER BY a")
            return list(cursor.fetchall())
        finally:
            connection.rollback()

    yield copy
    connection.close()


def test_copy__several_parts__are_loaded_by_position(copied: Copied) -> None:
    more = {"x": pa.array([3], pa.int64()), "y": [""]}
    rows = [[1, "größ"], [2, None], [3, ""]]
    assert copied(parquet(**GOOD), parquet(**more)) == rows
    assert copied(parquet(**GOOD), parquet(**more), options="FORMAT PARQUET") == rows


def test_copy__named_columns__leave_the_others_null(copied: Copied) -> None:
    assert copied(parquet(a=GOOD["a"]), target="t (a)") == [[1, None], [2, None]]


def test_copy__missing_optional_object__is_skipped(copied: Copied) -> None:
    gone = {"url": "s3://BUCKET/gone", "meta": {"content_length": 7}}
    assert len(copied(parquet(**GOOD), more=[gone])) == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": pa.array([1], pa.int32()), "b": ["x"]}, "incompatible Parquet schema .*'a'"),
        ({"a": pa.array([1], pa.int64()), "b": [1.5]}, "incompatible Parquet schema .*'b'"),
        ({"a": GOOD["a"]}, "Table columns: 2, Data columns: 1"),
        ({**GOOD, "c": ["x", "y"]}, "Table columns: 2, Data columns: 3"),
        ({"a": pa.array([1], pa.int64()), "b": ["größer"]}, "Table: 6, Data: 8"),
        ({"a": pa.array([1], pa.int64()), "b": ["\U0001f50c" * 2]}, "Table: 6, Data: 8"),
        ({"a": pa.array([None], pa.int64()), "b": ["x"]}, "NULL value into column a"),
    ],
)
def test_copy__data_that_do_not_fit__are_refused_completely(
    copied: Copied, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(redshift_connector.ProgrammingError, match=message):
        copied(parquet(**GOOD), parquet(**columns))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"role": "arn:aws:iam::000000000000:role/other"}, "not authorized to assume IAM Role"),
        ({"length": lambda length: length + 1}, "Manifest states"),
        ({"length": lambda length: None}, "content_length is required"),
        (
            {
                "more": [
                    {"url": "s3://BUCKET/gone", "mandatory": True, "meta": {"content_length": 7}}
                ]
            },
            "NoSuchKey",
        ),
        ({"target": "t (a, c)"}, 'column "c" of relation'),
        ({"target": "nowhere"}, 'relation "nowhere" does not exist'),
    ],
)
def test_copy__unreadable_source__is_refused(
    copied: Copied, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(redshift_connector.ProgrammingError, match=message):
        copied(parquet(**GOOD), **arguments)


def test_copy__invalid_parquet__is_refused(copied: Copied) -> None:
    with pytest.raises(redshift_connector.ProgrammingError, match="not valid Parquet"):
        copied(b"a,b\n1,x\n")


@pytest.mark.parametrize(
    ("column", "parquet_type", "is_fit"),
    [
        ("bigint", pa.int64(), True),
        ("bigint", pa.int32(), False),
        ("timestamp without time zone", pa.timestamp("us"), True),
        ("timestamp without time zone", pa.timestamp("ns"), False),
        ("timestamp without time zone", pa.date32(), False),
        ("numeric(8,2)", pa.decimal128(8, 2), True),
        ("numeric(8,2)", pa.decimal128(9, 2), False),
        ("boolean", pa.bool_(), True),
        ("character varying(7)", pa.string(), True),
        ("character varying(7)", pa.binary(), False),
        ("json", pa.string(), True),
    ],
)
def test_fits__types__are_exact(column: str, parquet_type: pa.DataType, is_fit: bool) -> None:
    assert fits(column, parquet_type) is is_fit
