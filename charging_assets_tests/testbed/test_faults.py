"""The faults of the bed: each happens where it is set, and then no more."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
import redshift_connector

from charging_assets_tests.testbed.bed import S3, Bed, Redshift
from charging_assets_tests.testbed.statement_faults import CutPoint
from charging_assets_tests.testbed.tcp_proxy import Behaviour, TcpProxy


def connect(database: Redshift, **changed: Any) -> Any:
    return redshift_connector.connect(**{**database.connection_arguments(), **changed})


def count_rows(database: Redshift) -> int:
    with connect(database) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT COUNT(*) FROM t")
        return int(cursor.fetchone()[0])


@pytest.fixture
def database_with_table(redshift: Redshift) -> Redshift:
    with connect(redshift) as connection:
        connection.cursor().execute("CREATE TABLE t (a BIGINT)")
        connection.commit()
    return redshift


def insert(database: Redshift) -> None:
    with connect(database) as connection:
        connection.cursor().execute("INSERT INTO t (a) VALUES (1)")
        connection.commit()


@pytest.mark.parametrize(
    ("statement", "point", "rows"),
    [
        ("INSERT", "before", 0),
        ("INSERT", "during", 0),
        ("INSERT", "reply", 0),
        ("INSERT", "after", 0),
        ("COMMIT", "before", 0),
        ("COMMIT", "reply", 1),
    ],
)
def test_cut__at_a_statement__leaves_the_rows_of_a_real_server(
    database_with_table: Redshift, statement: str, point: CutPoint, rows: int
) -> None:
    database_with_table.faults.cut(point, f"^{statement}")
    with pytest.raises(Exception, match=r".+"):
        insert(database_with_table)
    assert database_with_table.faults.remaining == 0
    assert count_rows(database_with_table) == rows


def test_refuse__once__is_error_1023(database_with_table: Redshift) -> None:
    database_with_table.faults.refuse("^INSERT")
    with pytest.raises(redshift_connector.ProgrammingError) as caught:
        insert(database_with_table)
    assert caught.value.args[0]["M"] == "1023"
    insert(database_with_table)
    assert count_rows(database_with_table) == 1
    assert [sql for sql in database_with_table.faults.statements if "INSERT" in sql] == [
        "INSERT INTO t (a) VALUES (1)"
    ]


def test_tcp_proxy__cut_at_any_byte__ends_the_connection(database_with_table: Redshift) -> None:
    with TcpProxy(("127.0.0.1", database_with_table.port)) as proxy:
        with connect(database_with_table, port=proxy.port) as connection:
            connection.cursor().execute("SELECT COUNT(*) FROM t")
        sent, received = proxy.traffic[0]
        for behaviour in (
            Behaviour(cut_after_sent=sent - 40),
            Behaviour(cut_after_received=received - 40, is_reset=True),
        ):
            proxy.behave = lambda number, how=behaviour: how
            with (
                pytest.raises(Exception, match=r".+"),
                connect(database_with_table, port=proxy.port) as cut,
            ):
                cut.cursor().execute("SELECT COUNT(*) FROM t")


def test_tcp_proxy__cut_after_n_bytes__forwards_exactly_those() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    got = bytearray()

    def serve() -> None:
        connection, _ = listener.accept()
        while piece := connection.recv(100):
            got.extend(piece)

    server = threading.Thread(target=serve)
    server.start()
    slow = Behaviour(cut_after_sent=7, piece=2, delay_s=0.01)
    began = time.monotonic()
    with TcpProxy(listener.getsockname(), lambda number: slow) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"0123456789")
            assert client.recv(1) == b""
        server.join()
    assert bytes(got) == b"0123456"
    assert time.monotonic() - began >= 0.04
    listener.close()


def test_identities__reader__may_not_write(testbed: Bed, s3: S3) -> None:
    testbed.weed.client(s3.admin).put_object(Bucket=s3.bucket, Key="a", Body=b"1")
    reader = testbed.weed.client(s3.reader)
    assert reader.get_object(Bucket=s3.bucket, Key="a")["Body"].read() == b"1"
    with pytest.raises(Exception, match="AccessDenied"):
        reader.put_object(Bucket=s3.bucket, Key="b", Body=b"1")
    with pytest.raises(Exception, match="AccessDenied"):
        reader.delete_object(Bucket=s3.bucket, Key="a")
