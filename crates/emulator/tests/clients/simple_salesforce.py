# SPDX-License-Identifier: Apache-2.0
"""simple-salesforce, unmodified, against an emulated org over a socket: every way to sign in, rows, queries, Bulk 2.0 and 1.0, metadata.

Reads the line that the example `serve` or `orgkeep emulator --json` prints from the environment variable EMULATOR. The client
writes https:// and login.salesforce.com into every address; the adapter below sends both to the emulator, and nothing anywhere
else. Exits non-zero at the first difference.
"""

import csv
import datetime
import io
import json
import os
import sys
import tempfile
import time
import zipfile
from urllib.parse import urlsplit, urlunsplit

# This file has the client's name: its own folder must not be where the client is looked for.
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]

import requests  # noqa: E402
from simple_salesforce import Salesforce, SalesforceLogin  # noqa: E402
from simple_salesforce.exceptions import (  # noqa: E402
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

SAID = json.loads(os.environ["EMULATOR"])
EMULATOR = {**SAID, **(SAID.get("orgs") or [{}])[0]}
ROWS = int(os.environ.get("ROWS", "2500"))
# Marks what this run creates, so that it can be run again on the same org.
MARK = f"py-{time.time_ns()}"
HERE = urlsplit(EMULATOR["url"])


class ToEmulator(requests.adapters.HTTPAdapter):
    def send(self, request, *arguments, **keywords):
        url = urlsplit(request.url)
        if url.netloc != HERE.netloc and not url.hostname.endswith(".salesforce.com"):
            raise AssertionError(f"a request to {url.netloc}")
        request.url = urlunsplit((HERE.scheme, HERE.netloc, url.path, url.query, url.fragment))
        return super().send(request, *arguments, **keywords)


def session():
    made = requests.Session()
    made.mount("https://", ToEmulator())
    made.mount("http://", ToEmulator())
    return made


def same(left, right, what):
    if left != right:
        raise AssertionError(f"{what}: {repr(left)[:2000]} is not {repr(right)[:2000]}")


def refused(kind, act):
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"nothing raised {kind.__name__}")


def sign_in():
    # `orgkeep emulator` names no security token, and no private key; `serve` names both.
    user, password, token = EMULATOR["username"], EMULATOR["password"], EMULATOR.get("security_token", "")
    by_soap = Salesforce(username=user, password=password, security_token=token, session=session())
    key = EMULATOR.get("jwt_private_key")
    by_key = key and Salesforce(username=user, consumer_key=EMULATOR["client_id"], privatekey=key, session=session())
    by_secret = Salesforce(
        consumer_key=EMULATOR["client_id"], consumer_secret=EMULATOR["client_secret"], domain="acme.my", session=session()
    )
    by_token = Salesforce(instance_url=EMULATOR["url"], session_id=EMULATOR["access_token"], session=session())
    for client in filter(None, (by_soap, by_key, by_secret, by_token)):
        found = client.query(f"SELECT Username FROM User WHERE Username = '{user}'")
        same(found["records"][0]["Username"], user, "the user who signed in")
    wrong = refused(
        SalesforceAuthenticationFailed,
        lambda: SalesforceLogin(username=user, password="wrong", security_token="", session=session()),
    )
    same(wrong.code, "INVALID_LOGIN", "the code of a wrong password")
    expired = Salesforce(instance_url=EMULATOR["url"], session_id=EMULATOR["access_token"][:-1] + "-", session=session())
    refused(SalesforceExpiredSession, lambda: expired.query("SELECT Id FROM Account"))
    return by_soap


def rows(client):
    made = client.Account.create({"Name": "Straße & <Söhne> 🦀", "NumberOfEmployees": 3, "AnnualRevenue": 950000})
    same(made["success"], True, "create")
    row = client.Account.get(made["id"])
    same((row["Name"], row["NumberOfEmployees"], row["AnnualRevenue"]), ("Straße & <Söhne> 🦀", 3, 950000.0), "get")
    same(client.Account.update(made["id"], {"Site": "Köln"}), 204, "update")
    same(client.Account.get(made["id"])["Site"], "Köln", "the updated field")
    same(client.Project__c.upsert(f"External_Key__c/{MARK}", {"Name": "one"}), 201, "upsert that creates")
    same(client.Project__c.upsert(f"External_Key__c/{MARK}", {"Name": "two"}), 200, "upsert that updates")
    same(client.Project__c.get_by_custom_id("External_Key__c", MARK)["Name"], "two", "get by external id")
    for name in ("A", "B"):
        client.Contact.create({"LastName": name, "Email": f"{MARK}@example.com"})
    refused(SalesforceMoreThanOneRecord, lambda: client.Contact.get_by_custom_id("Email", f"{MARK}@example.com"))
    same(client.Account.delete(made["id"]), 204, "delete")
    gone = refused(SalesforceResourceNotFound, lambda: client.Account.get(made["id"]))
    same(gone.content[0]["errorCode"], "ENTITY_IS_DELETED", "the code of a deleted row")
    bad = refused(SalesforceMalformedRequest, lambda: client.Account.create({"Foo": 1}))
    same(bad.content[0]["errorCode"], "INVALID_FIELD", "the code of an unknown field")


def describes(client):
    objects = {one["name"]: one for one in client.describe()["sobjects"]}
    same(objects["Account"]["keyPrefix"], "001", "describeGlobal")
    fields = {field["name"]: field for field in client.Account.describe()["fields"]}
    same(fields["Name"]["type"], "string", "describe")
    same(set(client.limits()["DailyApiRequests"]) >= {"Max", "Remaining"}, True, "limits")
    used = client.api_usage["api-usage"]
    same(used.used > 0 and used.total > used.used, True, "the usage it read from Sforce-Limit-Info")


def bulk(client):
    records = [{"LastName": f'B{at} "quoted", 🦀', "Description": "line\nbreak" if at % 2 else "plain"} for at in range(ROWS)]
    results = client.bulk2.Lead.insert(
        records=[{**record, "Company": MARK} for record in records], batch_size=max(1, ROWS // 2), wait=1
    )
    same(sum(result["numberRecordsProcessed"] for result in results), ROWS, "rows processed")
    same(sum(result["numberRecordsFailed"] for result in results), 0, "rows failed")
    made = client.bulk2.Lead.get_successful_records(results[0]["job_id"])
    same(made.splitlines()[0].split(",")[:2], ['"sf__Id"', '"sf__Created"'], "the head of successful results")
    query = f"SELECT Id, LastName, Description FROM Lead WHERE Company = '{MARK}'"
    pages = list(client.bulk2.Lead.query(query, max_records=max(1, ROWS // 3), wait=1))
    same(len(pages) > 1, True, "several pages")
    back = [row for page in pages for row in csv.DictReader(io.StringIO(page, newline=""))]
    same(sorted((row["LastName"], row["Description"]) for row in back), sorted((r["LastName"], r["Description"]) for r in records), "bulk query")
    by_rest = {row["Id"] for row in client.query_all_iter(query)}
    same(by_rest, {row["Id"] for row in back}, "the same Ids by REST, page after page")
    with tempfile.TemporaryDirectory() as folder:
        files = client.bulk2.Lead.download(query, path=folder, wait=1)
        same(sum(file["number_of_records"] for file in files), ROWS, "downloaded rows")
    bad = client.bulk2.Lead.insert(records=[{"LastName": "no company", "Company": ""}], wait=1)
    same(bad[0]["numberRecordsFailed"], 1, "a refused row")
    failed = client.bulk2.Lead.get_failed_records(bad[0]["job_id"])
    same("REQUIRED_FIELD_MISSING" in failed, True, "its reason")
    deleted = client.bulk2.Lead.delete(records=[{"Id": row["Id"]} for row in back], wait=1)
    same(sum(result["numberRecordsFailed"] for result in deleted), 0, "rows deleted in bulk")
    same(client.query(f"SELECT count() FROM Lead WHERE Company = '{MARK}'")["totalSize"], 0, "what is left")
    same(client.query(f"SELECT count() FROM Lead WHERE Company = '{MARK}'", include_deleted=True)["totalSize"], ROWS, "queryAll")


def bulk_one(client):
    """Bulk API 1.0, which the client speaks in JSON."""
    company = f"{MARK}-one"
    records = [{"LastName": f"L{at} 🦀", "Company": company, "NumberOfEmployees": at} for at in range(300)]
    made = client.bulk.Lead.insert(records, batch_size=100, use_serial=True)
    same([(one["success"], one["created"], one["errors"]) for one in made], [(True, True, [])] * 300, "insert by Bulk 1.0")
    query = f"SELECT Id, LastName, NumberOfEmployees, IsConverted, CreatedDate FROM Lead WHERE Company = '{company}'"
    back = client.bulk.Lead.query(query)
    same(sorted(row["Id"] for row in back), sorted(one["id"] for one in made), "query by Bulk 1.0")
    same(
        sorted((row["LastName"], row["NumberOfEmployees"], row["IsConverted"]) for row in back),
        sorted((one["LastName"], one["NumberOfEmployees"], False) for one in records),
        "values by Bulk 1.0",
    )
    same({type(row["CreatedDate"]) for row in back}, {int}, "dates are milliseconds")
    updated = client.bulk.Lead.update([{"Id": made[0]["id"], "LastName": "changed"}, {"Id": made[1]["id"], "NumberOfEmployees": "many"}])
    same([one["success"] for one in updated], [True, False], "update by Bulk 1.0")
    same(updated[1]["errors"][0]["statusCode"], "INVALID_TYPE_ON_FIELD_IN_RECORD", "why a row was refused")
    same(client.Lead.get(made[0]["id"])["LastName"], "changed", "what was updated")
    projects = [{"External_Key__c": f"{MARK}-{at}", "Name": name} for at, name in enumerate(("a", "b"))]
    same([one["created"] for one in client.bulk.Project__c.upsert(projects, "External_Key__c")], [True, True], "upsert that creates")
    same([one["created"] for one in client.bulk.Project__c.upsert(projects, "External_Key__c")], [False, False], "upsert that updates")
    same({one["success"] for one in client.bulk.Lead.delete([{"Id": one["id"]} for one in made])}, {True}, "delete by Bulk 1.0")
    same(len(client.bulk.Lead.query_all(query)), 300, "queryAll by Bulk 1.0")
    same(client.bulk.Lead.query(query), [], "query after delete")


def finished(check, async_id):
    """What a job's status call says once the job has ended."""
    for _ in range(200):
        said = check(async_id)
        if said[0] not in ("Pending", "InProgress"):
            return said
        time.sleep(0.1)
    raise AssertionError(f"{async_id} never ended")


def metadata(client):
    api = client.mdapi
    same("CustomObject" in {one.xmlName for one in api.describe_metadata().metadataObjects}, True, "describeMetadata")
    listed = api.list_metadata([api.ListMetadataQuery(type="CustomObject")])
    same("Project__c" in {one.fullName for one in listed}, True, "listMetadata")
    name = f"Account.{MARK.replace('-', '_')}__c"
    api.CustomField.create(api.CustomField(fullName=name, label="made", type=api.FieldType("Text"), length=40))
    same(api.CustomField.read(name).label, "made", "readMetadata")
    same(name.split(".")[1] in {field["name"] for field in client.Account.describe()["fields"]}, True, "the field that was made")
    api.CustomField.delete(name)
    same(name.split(".")[1] in {field["name"] for field in client.Account.describe()["fields"]}, False, "the field that was deleted")
    async_id, _ = api.retrieve("", unpackaged={"CustomObject": ["Project__c"]})
    same(finished(api.check_retrieve_status, async_id)[0], "Succeeded", "retrieve")
    state, problem, _, package = api.retrieve_zip(async_id)
    same((state, problem), ("Succeeded", None), "the retrieved zip")
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        with zipfile.ZipFile(io.BytesIO(package)) as source, zipfile.ZipFile(file, "w") as target:
            for entry in source.namelist():
                target.writestr(entry.removeprefix("unpackaged/"), source.read(entry))
            same("unpackaged/objects/Project__c.object" in source.namelist() or "objects/Project__c.object" in source.namelist(), True, "the object in it")
        file.flush()
        deployed, _ = api.deploy(file.name, sandbox=False, rollbackOnError=True)
        state, _, details, _ = finished(api.check_deploy_status, deployed)
    same((state, details["errors"]), ("Succeeded", []), "deploy of what was retrieved")


def changes(client):
    account = client.Account.create({"Name": "changed"})["id"]
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = now - datetime.timedelta(minutes=5), now + datetime.timedelta(minutes=5)
    same(account in client.Account.updated(start, end)["ids"], True, "updated")
    client.Account.delete(account)
    same(account in [row["id"] for row in client.Account.deleted(start, end)["deletedRecords"]], True, "deleted")


def main():
    started = time.monotonic()
    client = sign_in()
    for part in (rows, describes, bulk, bulk_one, metadata, changes):
        part(client)
    print(f"simple-salesforce: {ROWS} rows, {time.monotonic() - started:.1f} s")


main()
