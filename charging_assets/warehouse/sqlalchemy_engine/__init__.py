"""A read-only SQLAlchemy engine over the warehouse, and its dialects."""
