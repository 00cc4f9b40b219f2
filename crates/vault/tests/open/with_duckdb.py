# SPDX-License-Identifier: Apache-2.0
"""DuckDB reads the Delta tables of an unencrypted vault."""

from pathlib import Path

import duckdb
import duckdb_extension_delta
from _questions import ask

connection = duckdb.connect()
# From the package beside it; elsewhere `INSTALL delta; LOAD delta` fetches it.
folder = Path(duckdb_extension_delta.__file__).parent
connection.load_extension(str(next(folder.glob("extensions/*/delta.duckdb_extension"))))


def answer(table, sql):
    connection.execute(f"CREATE OR REPLACE VIEW versions AS SELECT * FROM delta_scan('{table}')")
    return connection.execute(sql).fetchone()


ask(answer)
