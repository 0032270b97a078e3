"""Refuse statements that PostgreSQL supports and Redshift does not, with Redshift's errors.

Refusals of table definitions are in `ddl`, those of COPY in `copy_options` and `load`.
"""

from __future__ import annotations

from charging_assets_tests.testbed.errors import SYNTAX, UNDEFINED_FUNCTION, UNSUPPORTED, Refused
from charging_assets_tests.testbed.redshift_functions import DOCUMENTED, LEADER_ONLY
from charging_assets_tests.testbed.tokens import Statement, syntax_error

# Unsupported commands by their first words; the longest match is in the message.
_COMMANDS = (
    ("CREATE", "INDEX"),
    ("CREATE", "UNIQUE", "INDEX"),
    ("CREATE", "SEQUENCE"),
    ("CREATE", "TRIGGER"),
    ("CREATE", "TYPE"),
    ("CREATE", "DOMAIN"),
    ("CREATE", "EXTENSION"),
    ("CREATE", "RULE"),
    ("CREATE", "TABLESPACE"),
    ("CREATE", "AGGREGATE"),
    ("CREATE", "UNLOGGED"),
    ("DROP", "INDEX"),
    ("REINDEX",),
    ("SAVEPOINT",),
    ("RELEASE",),
    ("LISTEN",),
    ("NOTIFY",),
    ("CLUSTER",),
    ("DO",),
    ("REFRESH", "MATERIALIZED", "VIEW", "CONCURRENTLY"),
)

# Sequences of words that Redshift does not support, with the position of the word in the error.
_SYNTAX = (
    (("ON", "CONFLICT"), 0),
    (("NULLS", "DISTINCT"), 0),
    (("IS", "DISTINCT", "FROM"), 1),
    (("IS", "NOT", "DISTINCT", "FROM"), 2),
    (("FOR", "UPDATE"), 0),
    (("FOR", "SHARE"), 0),
    (("SKIP", "LOCKED"), 0),
    (("LATERAL", "("), 0),
    (("TABLESAMPLE",), 0),
    (("FILTER", "("), 1),
    (("AS", "MATERIALIZED"), 1),
    (("AS", "NOT", "MATERIALIZED"), 1),
    (("OVERRIDING", "SYSTEM"), 0),
    (("WITH", "ORDINALITY"), 0),
    (("FETCH", "FIRST"), 0),
)

# Words before a parenthesis that are not function calls.
_BEFORE_PARENTHESES = """
add all and any as between bpchar by case char character check column compound conflict constraint
cube date decimal default distinct distkey else escape except execute exists filter float foreign
from group grouping having identity ilike in integer interleaved intersect interval into is join key
lateral like limit minus nchar not numeric nvarchar on or order over partition precision primary
qualify real references returning returns rollup select set sets similar some sortkey super table
tables text then time timestamp to top union unique unload using values varbinary varbyte varchar
varying view when where window with within
"""
_NO_FUNCTIONS = frozenset(_BEFORE_PARENTHESES.upper().split())

# AWS: several of them in one statement "must all use the same ORDER BY values"; MEDIAN orders by
# its argument. https://docs.aws.amazon.com/redshift/latest/dg/r_MEDIAN.html
_SORT_BASED = {"LISTAGG", "MEDIAN", "PERCENTILE_CONT"}

# AWS: with ORDER BY in the window they require a frame; PostgreSQL has a default.
_FRAMED = {
    "ANY_VALUE", "AVG", "COUNT", "FIRST_VALUE", "LAST_VALUE", "MAX", "MIN", "NTH_VALUE", "STDDEV",
    "STDDEV_POP", "STDDEV_SAMP", "SUM", "VARIANCE", "VAR_POP", "VAR_SAMP",
}  # fmt: skip


def check(statement: Statement) -> None:
    """Raise Refused if Redshift does not support the statement."""
    _check_command(statement)
    for words, at_fault in _SYNTAX:
        at = statement.find(*words)
        if at >= 0:
            raise syntax_error(statement.tokens[at + at_fault].text)
    _check_words(statement)
    if not statement.starts("CREATE", "FUNCTION") and not statement.starts("GRANT"):
        _check_functions(statement)
        _check_sort_based_aggregates(statement)
        _check_frames(statement)


def _check_command(statement: Statement) -> None:
    for words in _COMMANDS:
        if statement.starts(*words):
            command = " ".join(words)
            raise Refused(f'SQL command "{command}" not supported on Redshift tables.', UNSUPPORTED)
    if statement.starts("ROLLBACK", "TO"):
        raise syntax_error("TO")
    if statement.starts("LOCK") and statement.find("IN") >= 0:
        raise syntax_error("IN")
    if statement.starts("WITH") and statement.find("INSERT", depth=0) >= 0:
        raise syntax_error("INSERT")


def _check_words(statement: Statement) -> None:
    for at in range(len(statement.tokens)):
        word, after = statement.upper(at), statement.upper(at + 1)
        if word == "RETURNING":
            raise syntax_error(statement.tokens[at].text)
        if word == "DISTINCT" and after == "ON" and statement.upper(at + 2) == "(":
            raise Refused("SELECT DISTINCT ON is not supported", UNSUPPORTED)
        if word == "WINDOW" and statement.upper(at + 2) == "AS":
            raise syntax_error(statement.tokens[at].text)
        if word == "ARRAY" and after == "[":
            raise Refused("array constructors are not supported", UNSUPPORTED)
        if word in {"FROM", "JOIN"} and after == "(" and statement.upper(at + 2) == "VALUES":
            raise syntax_error(statement.tokens[at + 2].text)
        if word == "CAST" or word == "::":
            _check_type(statement, at)


def _check_type(statement: Statement, at: int) -> None:
    if statement.upper(at) == "CAST":
        if statement.upper(at + 1) != "(":
            return
        as_at = statement.find("AS", at=at + 2, depth=0)
        if as_at < 0:
            return
        at = as_at
    name = statement.tokens[at + 1].text.lower()
    if name in {"jsonb", "uuid", "bytea", "hstore", "xml", "money", "inet", "cidr", "serial"}:
        raise Refused(f'type "{name}" does not exist', "42704")


def _check_functions(statement: Statement) -> None:
    for at, token in enumerate(statement.tokens[:-1]):
        is_call = statement.upper(at + 1) == "(" and token.upper[:1].isalpha()
        if not is_call or token.upper in _NO_FUNCTIONS or _names_a_table(statement, at):
            continue
        name = token.text.lower()
        if name in LEADER_ONLY and statement.find("FROM") >= 0:
            raise Refused(
                "Specified types or functions (one per INFO message) not supported on Redshift "
                "tables.",
                UNSUPPORTED,
            )
        if name not in DOCUMENTED and name not in LEADER_ONLY:
            raise Refused(f"function {name}() does not exist", UNDEFINED_FUNCTION)


def _check_sort_based_aggregates(statement: Statement) -> None:
    """Raise Refused if LISTAGG, PERCENTILE_CONT and MEDIAN in one statement sort differently."""
    orders = set()
    for at in range(len(statement.tokens)):
        if statement.upper(at) not in _SORT_BASED or statement.upper(at + 1) != "(":
            continue
        first, last = at + 2, statement.close(at + 1)
        if statement.upper(at) != "MEDIAN":
            if statement.starts("WITHIN", "GROUP", "(", "ORDER", "BY", at=last + 1):
                first, last = last + 6, statement.close(last + 3)
            else:
                first = last
        if statement.upper(last + 1) != "OVER":  # window functions have their own order
            tokens = statement.tokens[first:last]
            orders.add(tuple(token.upper or repr(token.text) for token in tokens))
    if len(orders) > 1:
        raise Refused(
            "within group ORDER BY clauses for aggregate functions must be the same", UNSUPPORTED
        )


def _check_frames(statement: Statement) -> None:
    """Raise Refused if an aggregate over an ordered window has no frame."""
    for at in range(len(statement.tokens)):
        if statement.upper(at) not in _FRAMED or statement.upper(at + 1) != "(":
            continue
        over = statement.close(at + 1) + 1
        while statement.upper(over) in {"IGNORE", "RESPECT", "NULLS"}:
            over += 1
        if not statement.starts("OVER", "(", at=over):
            continue
        window = {statement.upper(place) for place in range(over + 2, statement.close(over + 1))}
        if "ORDER" in window and "ROWS" not in window:
            raise Refused(
                "Aggregate window functions with an ORDER BY clause require a frame clause",
                UNSUPPORTED,
            )


def _names_a_table(statement: Statement, at: int) -> bool:
    """Whether a name before a parenthesis is that of a table, a CTE or an alias."""
    while statement.upper(at - 1) == ".":
        at -= 2
    before = statement.upper(at - 1)
    if before in {"INTO", "TABLE", "EXISTS", "REFERENCES", "COPY", "VIEW", "ANALYZE", "AS"}:
        return True
    after = statement.close(statement.find("(", at=at)) + 1
    return before in {"WITH", "RECURSIVE", ","} and statement.starts("AS", "(", at=after)


def check_full_names(statement: Statement) -> None:
    """Raise Refused if a late-binding view uses a table without its schema."""
    cte_names = {
        statement.tokens[at].name
        for at in range(len(statement.tokens))
        if statement.starts("AS", "(", at=at + 1)
    }
    for at in range(len(statement.tokens) - 1):
        if statement.upper(at) in {"FROM", "JOIN"} and statement.upper(at + 1) not in {
            "(",
            "SELECT",
        }:
            name = statement.tokens[at + 1].name
            is_in_function = statement.upper(at) == "FROM" and _in_extract(statement, at)
            if statement.upper(at + 2) != "." and name not in cte_names and not is_in_function:
                raise Refused(
                    "All the relations in a late-binding view must be qualified with a schema: "
                    f"{name}",
                    UNSUPPORTED,
                )


def _in_extract(statement: Statement, at: int) -> bool:
    return statement.upper(at - 3) in {"EXTRACT", "TRIM", "SUBSTRING"}


def no_parameters(statement: Statement, what: str) -> None:
    """Raise Refused if a statement that supports no bound parameters has one."""
    for token in statement.tokens:
        if token.upper.startswith("$"):
            raise Refused(f"there is no parameter {token.text} in {what}", SYNTAX)
