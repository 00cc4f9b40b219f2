# SPDX-License-Identifier: Apache-2.0
"""Changes an emulated org between two backups: one account gets another name, one task is deleted."""

import os

from simple_salesforce import Salesforce

org = Salesforce(
    instance_url=os.environ["EMULATOR_URL"].replace("http://", "https://"),
    session_id=os.environ["EMULATOR_ACCESS_TOKEN"],
)
account = org.query("SELECT Id FROM Account ORDER BY Id LIMIT 1")["records"][0]["Id"]
org.Account.update(account, {"Name": "Changed\u00e9 \U0001f600 \"twice\",\nin two lines"})
task = org.query("SELECT Id FROM Task ORDER BY Id LIMIT 1")["records"][0]["Id"]
org.Task.delete(task)
