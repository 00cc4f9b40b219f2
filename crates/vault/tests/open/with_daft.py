# SPDX-License-Identifier: Apache-2.0
"""Daft, an engine that also runs on many machines, reads the Delta tables of an unencrypted vault."""

import daft
from _questions import ask


def answer(table, sql):
    rows = daft.sql(sql, versions=daft.read_deltalake(table)).to_pydict()
    return [column[0] for column in rows.values()]


ask(answer)
