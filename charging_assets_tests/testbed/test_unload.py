"""UNLOAD to S3: names of files, refusals, rights of users and roles."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
import redshift_connector

from charging_assets_tests.testbed.bed import S3, Bed, running_bed
from charging_assets_tests.testbed.objects import COPY_ROLE


class Client:
    """A connection with a table, and the files in a bucket."""

    def __init__(self, bed: Bed, bucket: S3) -> None:
        self._client = bed.weed.client(bucket.admin)
        self.bucket = bucket.bucket
        database = bed.new_database()
        self.connection = redshift_connector.connect(**database.connection_arguments())
        self.connection.autocommit = True
        self.run("CREATE TABLE t (a BIGINT, b VARCHAR(9))")
        self.run("INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, '')")

    def run(self, sql: str) -> Any:
        cursor = self.connection.cursor()
        cursor.execute(sql)
        return cursor

    def unload(self, select: str, to: str, options: str = "FORMAT PARQUET PARALLEL OFF") -> None:
        target = f"s3://{self.bucket}/{to}"
        self.run(f"UNLOAD ('{select}') TO '{target}' IAM_ROLE '{COPY_ROLE}' {options}")

    def files(self, prefix: str) -> dict[str, list[Any]]:
        listed = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        keys = [entry["Key"] for entry in listed.get("Contents", [])]
        return {
            key: pq.read_table(
                io.BytesIO(self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read())
            ).to_pylist()
            for key in keys
        }


@pytest.fixture(scope="module")
def client(testbed: Bed) -> Iterator[Client]:
    made = Client(testbed, testbed.new_bucket())
    yield made
    made.connection.close()


ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": 3, "b": ""}]


def test_unload__serial_files_are_in_the_order_of_the_select(client: Client) -> None:
    client.unload("SELECT a, b FROM t ORDER BY a", "serial/t_")
    assert client.files("serial/") == {"serial/t_000.parquet": ROWS}
    assert client.run("SELECT pg_last_unload_count()").fetchone() == [3]


def test_unload__parallel_files_are_one_series_per_slice(client: Client) -> None:
    client.unload("SELECT a, b FROM t ORDER BY a", "parallel/", "FORMAT AS PARQUET")
    assert client.files("parallel/") == {
        "parallel/0000_part_00.parquet": ROWS[::2],
        "parallel/0001_part_00.parquet": ROWS[1::2],
    }


def test_unload__no_rows_are_no_file(client: Client) -> None:
    client.unload("SELECT a FROM t WHERE a > 9", "none/")
    assert client.files("none/") == {}


def test_unload__expressions_of_redshift_are_translated(client: Client) -> None:
    client.unload("SELECT NVL(b, ''none'') AS b FROM t WHERE a = 2", "translated/")
    assert client.files("translated/") == {"translated/000.parquet": [{"b": "none"}]}


@pytest.mark.parametrize(
    ("select", "options", "message"),
    [
        ("SELECT a FROM t LIMIT 1", "FORMAT PARQUET", "Limit clause is not supported"),
        ("DELETE FROM t", "FORMAT PARQUET", "not a SELECT"),
        ("SELECT a FROM nowhere", "FORMAT PARQUET", 'relation "nowhere" does not exist'),
        ("SELECT string_agg(b, '','') FROM t", "FORMAT PARQUET", "string_agg"),
        ("SELECT a FROM t", "FORMAT PARQUET MAXFILESIZE 1 MB", "MAXFILESIZE"),
        ("SELECT a FROM t", "FORMAT PARQUET HEADER", "syntax error"),
        ("SELECT a FROM t", "DELIMITER ''|''", "syntax error"),
    ],
)
def test_unload__what_redshift_refuses_is_refused(
    client: Client, select: str, options: str, message: str
) -> None:
    with pytest.raises(redshift_connector.ProgrammingError, match=message):
        client.unload(select, "refused/", options)
    assert client.files("refused/") == {}


def test_unload__does_not_overwrite_without_the_option(client: Client) -> None:
    client.unload("SELECT a FROM t", "twice/")
    with pytest.raises(redshift_connector.ProgrammingError, match="not empty"):
        client.unload("SELECT a FROM t", "twice/")
    client.unload("SELECT a FROM t", "twice/", "FORMAT PARQUET PARALLEL OFF ALLOWOVERWRITE")


def test_unload__an_unknown_role_is_refused(client: Client) -> None:
    other = "arn:aws:iam::000000000000:role/other"
    with pytest.raises(redshift_connector.ProgrammingError, match="not authorized to assume"):
        client.run(f"UNLOAD ('SELECT a FROM t') TO 's3://x/y' IAM_ROLE '{other}' FORMAT PARQUET")


@pytest.mark.slow
def test_assumerole__is_for_everybody_until_it_is_revoked() -> None:
    with running_bed() as bed, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(bed.tls.authority))
        admin = Client(bed, bed.new_bucket())
        for user in ("loads", "reads"):
            admin.run(f"CREATE USER {user} PASSWORD 'Password-1'")
            admin.run(f"GRANT SELECT ON t TO {user}")
        rest = f"IAM_ROLE '{COPY_ROLE}' FORMAT PARQUET ALLOWOVERWRITE"
        unload = f"UNLOAD ('SELECT a FROM t') TO 's3://{admin.bucket}/x/' {rest}"
        arguments = {
            **bed.database(f"dev_{1}").connection_arguments(), "password": "Password-1",
            "database": admin.run("SELECT current_database()").fetchone()[0],
        }  # fmt: skip
        users = {}
        for user in ("loads", "reads"):
            users[user] = redshift_connector.connect(**{**arguments, "user": user})
            users[user].autocommit = True
            users[user].cursor().execute(unload)
            with pytest.raises(redshift_connector.ProgrammingError, match="superuser"):
                users[user].cursor().execute("REVOKE ASSUMEROLE ON ALL FROM PUBLIC FOR ALL")
        admin.run("REVOKE ASSUMEROLE ON ALL FROM PUBLIC FOR ALL")
        admin.run(f"GRANT ASSUMEROLE ON '{COPY_ROLE}' TO loads FOR UNLOAD")
        users["loads"].cursor().execute(unload)
        copy = f"COPY t FROM 's3://{admin.bucket}/x/' IAM_ROLE '{COPY_ROLE}' FORMAT PARQUET"
        for user, statement in (("reads", unload), ("loads", copy)):
            with pytest.raises(redshift_connector.ProgrammingError, match="not authorized"):
                users[user].cursor().execute(statement)
        admin.run(unload)
        for connection in (*users.values(), admin.connection):
            connection.close()
