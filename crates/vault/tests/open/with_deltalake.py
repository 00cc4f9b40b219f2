# SPDX-License-Identifier: Apache-2.0
"""The package `deltalake` for Python reads the Delta tables of an unencrypted vault, by the query engine that it brings."""

import pyarrow
from _questions import ask
from deltalake import DeltaTable, QueryBuilder


def answer(table, sql):
    rows = pyarrow.table(QueryBuilder().register("versions", DeltaTable(table)).execute(sql))
    return [column[0].as_py() for column in rows.columns]


ask(answer)
