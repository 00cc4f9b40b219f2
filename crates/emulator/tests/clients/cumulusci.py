# SPDX-License-Identifier: Apache-2.0
"""CumulusCI, unmodified, against an emulated org over a socket: the objects of a large project deployed, its data set of 17,283
related records loaded with CumulusCI's own loader and extracted again.

The project is NPSP, from the folder FIXTURES; without it there is nothing to load, and the test is skipped. Its data needs
objects and fields of packages that it builds on and that nobody has the sources of; stand-ins for those are deployed
with it, with the types that the data asks for. Needs `cci` and `sf` in PATH and an empty home.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

EMULATOR = json.loads(os.environ["EMULATOR"])
NPSP = Path(os.environ.get("FIXTURES", "")) / "NPSP"
HOME = Path(os.environ["HOME"])
PROJECT = HOME / "project"
OBJECTS = PROJECT / "force-app" / "main" / "default" / "objects"
ROWS = 17_283
# Fields of packages below the project that its own formulas name, with the object that a lookup points to.
BELOW = {
    ("Account", "npo02__MembershipEndDate__c"): None,
    ("Account", "npo02__MembershipJoinDate__c"): None,
    ("Contact", "npo02__Household__c"): "npo02__Household__c",
}
NAMESPACE = 'xmlns="http://soap.sforce.com/2006/04/metadata"'


def same(left, right, what):
    if left != right:
        raise AssertionError(f"{what}: {left!r} is not {right!r}")


def run(*words, **more):
    ran = subprocess.run(words, cwd=PROJECT, text=True, capture_output=True, **more)
    if ran.returncode:
        raise AssertionError(f"{' '.join(words[:5])}: exit {ran.returncode}\n{ran.stdout[-6000:]}\n{ran.stderr[-3000:]}")
    return ran.stdout


def query(statement):
    """All records of a query, asked by REST, which CumulusCI has no part in."""
    url = f"{EMULATOR['url']}/services/data/v60.0/query?q={urllib.parse.quote(statement)}"
    records = []
    while url:
        request = urllib.request.Request(url, headers={"authorization": f"Bearer {EMULATOR['access_token']}"})
        page = json.load(urllib.request.urlopen(request))
        records += page["records"]
        url = not page["done"] and EMULATOR["url"] + page["nextRecordsUrl"]
    return records


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def unpack():
    """The project's objects, with whatever the emulator has of them."""
    with tarfile.open(NPSP / "npsp-metadata.tar.gz") as archive:
        wanted = ("force-app/main/default/objects/", "force-app/main/default/globalValueSets/")
        kinds = (".object-meta.xml", ".field-meta.xml", ".recordType-meta.xml", ".globalValueSet-meta.xml")
        for member in archive.getmembers():
            name = member.name.removeprefix("./")
            if name.startswith(wanted) and name.endswith(kinds):
                path = PROJECT / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())


def stand_in_object(name, named):
    kind = "Text" if named else "AutoNumber"
    form = "" if named else "<displayFormat>X-{00000}</displayFormat>"
    label = name.removesuffix("__c").split("__")[-1].replace("_", " ")
    write(
        OBJECTS / name / f"{name}.object-meta.xml",
        f"<CustomObject {NAMESPACE}><deploymentStatus>Deployed</deploymentStatus><label>{label}</label><nameField>{form}"
        f"<label>{label} Name</label><type>{kind}</type></nameField><pluralLabel>{label}s</pluralLabel>"
        f"<sharingModel>ReadWrite</sharingModel></CustomObject>",
    )


def stand_in_field(name, field, parent=None):
    label = field.removesuffix("__c").split("__")[-1].replace("_", " ")
    flags = ("Paid", "Written", "Do_Not")
    if parent:
        relation = f"{name.removesuffix('__c').replace('__', '_')}_{label.replace(' ', '_')}"[-40:].lstrip("_0123456789")
        kind = f"<referenceTo>{parent}</referenceTo><relationshipName>{relation}</relationshipName><type>Lookup</type>"
    elif "Amount" in field:
        kind = "<precision>18</precision><scale>2</scale><type>Currency</type>"
    elif "Date" in field:
        kind = "<type>Date</type>"
    elif any(flag in field for flag in flags):
        kind = "<defaultValue>false</defaultValue><type>Checkbox</type>"
    else:
        kind = "<length>255</length><type>Text</type>"
    path = OBJECTS / name / "fields" / f"{field}.field-meta.xml"
    if not path.exists():
        write(path, f"<CustomField {NAMESPACE}><fullName>{field}</fullName><label>{label}</label>{kind}</CustomField>")


def stand_ins(mapping):
    """What the data needs and the project takes from packages below it."""
    named = {step["sf_object"] for step in mapping.values() if "Name" in step["fields"]}
    for folder in sorted(OBJECTS.iterdir()):
        if folder.name.endswith("__c") and not (folder / f"{folder.name}.object-meta.xml").exists():
            stand_in_object(folder.name, folder.name in named)
    for step in mapping.values():
        for field in step["fields"]:
            if field.endswith("__c"):
                stand_in_field(step["sf_object"], field)
        for field, lookup in step.get("lookups", {}).items():
            if field.endswith("__c"):
                stand_in_field(step["sf_object"], field, mapping[lookup["table"]]["sf_object"])
    for (name, field), parent in BELOW.items():
        stand_in_field(name, field, parent)
    for name in ("HH_Account", "Organization"):
        label = {"HH_Account": "Household Account"}.get(name, name)
        write(
            OBJECTS / "Account" / "recordTypes" / f"{name}.recordType-meta.xml",
            f"<RecordType {NAMESPACE}><fullName>{name}</fullName><active>true</active><label>{label}</label></RecordType>",
        )


def connect():
    (HOME / ".cumulusci").mkdir(parents=True, exist_ok=True)
    # When CumulusCI last looked for a newer one of itself: now, so that it does not look.
    (HOME / ".cumulusci" / "cumulus_timestamp").write_text(str(time.time()))
    PROJECT.mkdir()
    project = {"name": "npsp", "package": {"name": "npsp", "api_version": "60.0"}, "git": {"default_branch": "main"}}
    (PROJECT / "cumulusci.yml").write_text(yaml.safe_dump({"minimum_cumulusci_version": "3.0.0", "project": project}))
    (PROJECT / "sfdx-project.json").write_text(json.dumps({"packageDirectories": [{"path": "force-app", "default": True}], "sourceApiVersion": "60.0"}))
    run("git", "init", "--quiet", "--initial-branch=main")
    run("git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--allow-empty", "--message=x")
    run("git", "remote", "add", "origin", "https://github.com/example/npsp")
    os.environ.update(SF_ACCESS_TOKEN=EMULATOR["access_token"], SF_TEMP_SHOW_SECRETS="true", CUMULUSCI_KEY="0123456789abcdef")
    run("sf", "org", "login", "access-token", "--instance-url", EMULATOR["url"], "--no-prompt", "--alias", "emu")
    said = run("cci", "org", "import", "emu", "dev")
    if EMULATOR["username"] not in said:
        raise AssertionError(f"cci org import: {said}")


def deploy(mapping):
    unpack()
    stand_ins(mapping)
    result = json.loads(run("sf", "project", "deploy", "start", "--source-dir", "force-app", "--target-org", "emu", "--json", "--wait", "10"))
    same((result["result"]["status"], result["result"]["numberComponentErrors"]), ("Succeeded", 0), "deploy")


def rows_of(database):
    """How many rows of each table a data set has."""
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    kept = [name for name in tables if not name.endswith("_rt_mapping")]
    return {name: database.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in kept}


def open_dump(path):
    database = sqlite3.connect(":memory:")
    database.executescript(path.read_text())
    return database


def live(mapping):
    return {step["sf_object"]: query(f"SELECT COUNT(Id) n FROM {step['sf_object']}")[0]["n"] for step in mapping.values()}


def main():
    if not (NPSP / "datasets" / "mapping.yml").is_file():
        print(f"there is no NPSP in {NPSP.parent}")
        sys.exit(77)
    started = time.monotonic()
    mapping = yaml.safe_load((NPSP / "datasets" / "mapping.yml").read_text())
    connect()
    deploy(mapping)
    deployed = time.monotonic()
    data = NPSP / "datasets" / "1k" / "test_data.sql"
    expected = rows_of(open_dump(data))
    same((sum(expected.values()), len(expected)), (ROWS, 13), "rows and tables of the data set")
    before = live(mapping)
    run("cci", "task", "run", "load_dataset", "--org", "dev", "--mapping", str(NPSP / "datasets" / "mapping.yml"), "--sql_path", str(data))
    after = live(mapping)
    same({name: after[name] - before[name] for name in after}, expected, "records that were loaded")
    loaded = time.monotonic()

    original = open_dump(data)
    found = query("SELECT Account.Name, LastName FROM Contact WHERE Account.RecordType.DeveloperName = 'HH_Account'")
    households = original.execute(
        "SELECT a.Name, c.LastName FROM Contact c JOIN Account a ON a.id = c.account_id JOIN Account_rt_mapping r "
        "ON r.record_type_id = a.RecordTypeId WHERE r.developer_name = 'HH_Account'"
    ).fetchall()
    same(sorted((one["Account"]["Name"], one["LastName"]) for one in found), sorted(households), "contacts of households")
    same(len(households) > 0, True, "there are households")

    steps = {name: step for name, step in mapping.items() if name in ("Account", "Contact", "Opportunity", "Allocation__c", "General_Accounting_Unit__c")}
    for step in steps.values():
        step["lookups"] = {field: lookup for field, lookup in step.get("lookups", {}).items() if lookup["table"] in steps}
    (PROJECT / "extract.yml").write_text(yaml.safe_dump(steps, sort_keys=False))
    run("cci", "task", "run", "extract_dataset", "--org", "dev", "--mapping", "extract.yml", "--sql_path", "extracted.sql")
    extracted = rows_of(open_dump(PROJECT / "extracted.sql"))
    same({name: extracted[name] for name in steps}, {name: after[steps[name]["sf_object"]] for name in steps}, "records that were extracted")
    print(
        f"CumulusCI: {ROWS} records; deploy {deployed - started:.1f} s, load {loaded - deployed:.1f} s, extract {time.monotonic() - loaded:.1f} s"
    )


main()
