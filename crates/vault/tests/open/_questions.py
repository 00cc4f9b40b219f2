# SPDX-License-Identifier: Apache-2.0
"""Asks an engine what a table of an unencrypted vault holds, by the recipe of docs/open.md.

Each script beside this one is called with the folder of an org (`vault/orgs/00D…`) and a file with a list of questions, each
`{"object", "backup", "measures"}`: SQL over all rows of the object's table where `backup` is null, else over its records as of
that backup. It prints a line of JSON for each, the values as text."""

import decimal
import json
import sys
from pathlib import Path

RECIPE = """
SELECT * FROM (
  SELECT *, row_number() OVER (PARTITION BY "Id" ORDER BY "_backup" DESC) AS newest
  FROM versions
  WHERE "_backup" <= {backup}
) AS ranked
WHERE newest = 1 AND NOT "_deleted"
"""


def text(value):
    if value is None or isinstance(value, str):
        return value
    return format(decimal.Decimal(str(value)).normalize(), "f")


def ask(answer):
    """`answer` takes the path of a table and SQL over it under the name `versions`, and gives the first row."""
    org, questions = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    for question in questions:
        rows = "versions"
        if question["backup"] is not None:
            rows = f"({RECIPE.format(backup=question['backup'])}) AS records"
        table = str(org / "objects" / question["object"])
        print(json.dumps([text(value) for value in answer(table, f"SELECT {question['measures']} FROM {rows}")]))
