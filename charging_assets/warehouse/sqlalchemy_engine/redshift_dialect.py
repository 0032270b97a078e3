"""SQLAlchemy's dialect of Redshift: sqlalchemy-redshift's, for SQLAlchemy 2.1 too."""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import TypeEngine
from sqlalchemy_redshift.dialect import RedshiftDialect_redshift_connector

from charging_assets.warehouse.sqlalchemy_engine.reflected_types import reflect_type


class RedshiftDialect(RedshiftDialect_redshift_connector):
    """sqlalchemy-redshift's dialect over redshift-connector.

    sqlalchemy-redshift 1.0 calls a private method of SQLAlchemy's dialect of PostgreSQL, whose
    arguments are others since SQLAlchemy 2.1.
    """

    supports_statement_cache = False

    def _reflect_type(self, format_type: str, *_: Any, **__: Any) -> TypeEngine[Any]:
        return reflect_type(format_type)
