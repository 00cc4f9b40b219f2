# SPDX-License-Identifier: Apache-2.0
"""Changes an emulated org between two backups: one account gets another name, one task is deleted."""

import json
import os

from simple_salesforce import Salesforce

emulator = json.loads(os.environ["EMULATOR"])
org = Salesforce(instance_url=emulator["url"], session_id=emulator["access_token"])
account = org.query("SELECT Id FROM Account ORDER BY Id LIMIT 1")["records"][0]["Id"]
org.Account.update(account, {"Name": "Changed\u00e9 \U0001f600 \"twice\",\nin two lines"})
task = org.query("SELECT Id FROM Task ORDER BY Id LIMIT 1")["records"][0]["Id"]
org.Task.delete(task)
