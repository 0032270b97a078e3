"""The real driver through the bed: connected over TLS, DDL, parameters, transactions, COPY."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redshift_connector

from charging_assets_tests.testbed.bed import S3, Bed, Redshift

NOON = datetime.datetime(2024, 1, 1, 12, 0, 0, 123456)


@pytest.fixture
def connection(each_redshift: Redshift) -> Iterator[Any]:
    connection = redshift_connector.connect(**each_redshift.connection_arguments())
    connection.paramstyle = "named"
    yield connection
    connection.close()


def run(connection: Any, sql: str, **params: Any) -> Any:
    cursor = connection.cursor()
    cursor.paramstyle = "named"
    cursor.execute(sql, params or None)
    return cursor.fetchall() if cursor.description else None


def test_connect__tls_not_trusted__is_refused(
    redshift: Redshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    with pytest.raises(redshift_connector.InterfaceError, match="communication error"):
        redshift_connector.connect(**redshift.connection_arguments())


def test_connect__wrong_password__is_an_interface_error(redshift: Redshift) -> None:
    wrong = {**redshift.connection_arguments(), "password": "wrong"}
    with pytest.raises(redshift_connector.InterfaceError, match="28000"):
        redshift_connector.connect(**wrong)


def test_version__is_redshifts(connection: Any) -> None:
    assert (b"server_version", b"8.0.2") in connection.parameter_statuses


def test_isolation__is_the_databases(connection: Any, each_redshift: Redshift) -> None:
    level = {"snapshot": "repeatable read", "serializable": "serializable"}
    assert run(connection, "SHOW transaction_isolation") == ([level[each_redshift.isolation]],)


def test_transaction__rolled_back__leaves_nothing(connection: Any) -> None:
    run(connection, "CREATE TABLE t (a BIGINT) DISTKEY (a) SORTKEY (a)")
    connection.commit()
    run(connection, "INSERT INTO t (a) VALUES (:a)", a=1)
    connection.rollback()
    assert run(connection, "SELECT COUNT(*) FROM t") == ([0],)


def test_parameters__of_each_type__come_back(connection: Any) -> None:
    run(connection, "CREATE TABLE t (a BIGINT, b VARCHAR(9), c TIMESTAMP, d FLOAT8, e BOOLEAN)")
    row = {"a": 1 << 40, "b": "größe\\'", "c": NOON, "d": 0.1, "e": True}
    run(connection, "INSERT INTO t (a, b, c, d, e) VALUES (:a, :b, :c, :d, :e)", **row)
    assert run(connection, "SELECT * FROM t WHERE c = :c", c=NOON) == (list(row.values()),)
    run(connection, "INSERT INTO t (a) VALUES (:a)", a=None)
    assert run(connection, "SELECT COUNT(*) FROM t WHERE a IS NULL") == ([1],)


def test_copy__by_manifest__loads_by_position(
    connection: Any, testbed: Bed, s3: S3, each_redshift: Redshift
) -> None:
    run(connection, "CREATE TABLE t (a BIGINT NOT NULL, b VARCHAR(9), c TIMESTAMP, d FLOAT8)")
    connection.commit()
    rows = {
        "w": pa.array([1, 2, 3], pa.int64()),
        "x": ["größe", "", None],
        "y": pa.array([NOON] * 3, pa.timestamp("us")),
        "z": [0.1, None, 1e300],
    }
    body = io.BytesIO()
    pq.write_table(pa.table(rows), body)
    client, url = testbed.weed.client(s3.admin), f"s3://{s3.bucket}"
    length = len(body.getvalue())
    manifest = {"entries": [{"url": f"{url}/1.parquet", "meta": {"content_length": length}}]}
    client.put_object(Bucket=s3.bucket, Key="1.parquet", Body=body.getvalue())
    client.put_object(Bucket=s3.bucket, Key="manifest", Body=json.dumps(manifest))
    copied = (
        f"COPY t FROM '{url}/manifest' IAM_ROLE '{each_redshift.iam_role}' "
        "FORMAT AS PARQUET MANIFEST"
    )
    run(connection, copied)
    connection.rollback()
    assert run(connection, "SELECT COUNT(*) FROM t") == ([0],)
    run(connection, copied)
    connection.commit()
    assert run(connection, "SELECT * FROM t ORDER BY a") == (
        [1, "größe", NOON, 0.1],
        [2, "", NOON, None],
        [3, None, NOON, 1e300],
    )
