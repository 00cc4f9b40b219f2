# SPDX-License-Identifier: Apache-2.0
"""A day in an emulated org, by its number: some accounts change, a task is deleted, a contact is made. On day 1 accounts get a new
field, which later days fill."""

import json
import os
import sys

from simple_salesforce import Salesforce

day = int(sys.argv[1])
emulator = json.loads(os.environ["EMULATOR"])
org = Salesforce(instance_url=emulator["url"], session_id=emulator["access_token"])
if day == 1:
    api = org.mdapi
    number = api.FieldType("Number")
    api.CustomField.create(api.CustomField(fullName="Account.Score__c", label="Score", type=number, precision=10, scale=3))
accounts = [record["Id"] for record in org.query("SELECT Id FROM Account ORDER BY Id LIMIT 40")["records"]]
for place, account in enumerate(accounts[day : day + 5]):
    org.Account.update(account, {"AnnualRevenue": 1000 * day + place + 0.25, "Score__c": day + place / 8})
task = org.query("SELECT Id FROM Task ORDER BY Id LIMIT 1")["records"][0]["Id"]
org.Task.delete(task)
org.Contact.create({"LastName": f"Day {day} \u00e9\U0001f600", "AccountId": accounts[0]})
