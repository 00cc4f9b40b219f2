// SPDX-License-Identifier: Apache-2.0
// The `sf` CLI, unmodified, against an emulated org over a socket: login, records, queries, trees, Bulk 2.0 both ways, metadata,
// and what it says where there is no Apex.
//
// Reads the line that the example `serve` or `orgkeep emulator --json` prints from the environment variable EMULATOR, and the
// command that is `sf` from SF (default: sf). Exits non-zero at the first difference.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const said = JSON.parse(process.env.EMULATOR);
const emulator = { ...said, ...said.orgs?.[0] };
const rows = Number(process.env.ROWS ?? 2500);
/** Marks what this run creates, so that it can be run again on the same org. */
const mark = Date.now().toString(36);
const home = mkdtempSync(join(tmpdir(), "emulator-sf-"));
const environment = {
  ...process.env,
  HOME: home,
  SF_ACCESS_TOKEN: emulator.access_token,
  SF_DISABLE_TELEMETRY: "true",
  SF_AUTOUPDATE_DISABLE: "true",
  SF_SKIP_NEW_VERSION_CHECK: "true",
  SF_USE_GENERIC_UNIX_KEYCHAIN: "true",
  SF_DISABLE_LOG_FILE: "true",
  SF_NO_PROGRESS_BAR: "1",
};

/** Runs `sf` and gives exit code and output; first may come where it runs. */
function run(...words) {
  const where = typeof words[0] === "string" ? {} : words.shift();
  const [command, ...first] = (process.env.SF ?? "sf").split(" ");
  return new Promise((resolve) => {
    const options = { cwd: home, env: environment, maxBuffer: 1 << 28, ...where };
    execFile(command, [...first, ...words], options, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, stdout, stderr });
    });
  });
}

/** The `result` of a command that must work. */
async function sf(...words) {
  const { code, stdout, stderr } = await run(...words, "--json");
  let said;
  try {
    said = JSON.parse(stdout);
  } catch {
    assert.fail(`sf ${words.join(" ")}: exit ${code}: ${stdout}${stderr}`);
  }
  assert.equal(said.status, 0, `sf ${words.join(" ")}: ${JSON.stringify(said)}`);
  return said.result;
}

/** Lines of a CSV without line breaks inside values. */
const lines = (file) => readFileSync(join(home, file), "utf8").trimEnd().split(/\r?\n/);

async function login() {
  const result = await sf("org", "login", "access-token", "--instance-url", emulator.url, "--no-prompt", "--alias", "emu");
  assert.equal(result.username, emulator.username);
  assert.equal(result.orgId, emulator.access_token.split("!")[0].padEnd(18, result.orgId.slice(15)));
  const shown = await sf("org", "display", "--target-org", "emu");
  assert.equal(shown.connectedStatus, "Connected");
  assert.equal(shown.apiVersion, "67.0");
}

async function records() {
  const org = ["--target-org", "emu"];
  const made = await sf("data", "create", "record", "-s", "Account", "-v", "Name='Straße 🦀' NumberOfEmployees=12", ...org);
  const read = await sf("data", "get", "record", "-s", "Account", "-i", made.id, ...org);
  assert.equal(read.Name, "Straße 🦀");
  assert.equal(read.NumberOfEmployees, 12);
  await sf("data", "create", "record", "-s", "Contact", "-v", `LastName=Query AccountId=${made.id}`, ...org);
  await sf("data", "update", "record", "-s", "Account", "-i", made.id, "-v", "Site=Köln", ...org);
  const statement = `SELECT Id, Name, Owner.Username, Site, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '${made.id}'`;
  const [found] = (await sf("data", "query", "-q", statement, ...org)).records;
  assert.equal(found.Site, "Köln");
  assert.equal(found.Owner.Username, emulator.username);
  assert.equal(found.Contacts.records[0].LastName, "Query");
  const table = await run("data", "query", "-q", statement, "--result-format", "csv", ...org);
  assert.equal(table.code, 0, table.stderr);
  assert.match(table.stdout.split("\n")[0], /^Id,Name,Owner\.Username,Site,Contacts/);
  const count = await run("data", "query", "-q", "SELECT COUNT(Id) total FROM Account", ...org);
  assert.match(count.stdout, /TOTAL|total/);
  await sf("data", "delete", "record", "-s", "Account", "-i", made.id, ...org);
  const gone = await run("data", "get", "record", "-s", "Account", "-i", made.id, "--json", ...org);
  assert.notEqual(gone.code, 0);
  assert.match(gone.stdout, /entity is deleted/);
}

async function org() {
  const target = ["--target-org", "emu"];
  const limits = await sf("org", "list", "limits", ...target);
  assert.ok(limits.some((limit) => limit.name === "DailyApiRequests" && limit.max > 0));
  assert.ok((await sf("sobject", "list", "--sobject", "custom", ...target)).includes("Project__c"));
  const described = await sf("sobject", "describe", "-s", "Project__c", ...target);
  assert.ok(described.fields.some((field) => field.name === "External_Key__c" && field.externalId));
  const counts = await sf("org", "list", "sobject", "record-counts", "-s", "User", ...target);
  assert.ok(counts[0].count > 0);
}

async function trees() {
  const target = ["--target-org", "emu"];
  const records = [
    {
      attributes: { type: "Account", referenceId: "a1" },
      Name: `Tree ${mark}`,
      Contacts: { records: [{ attributes: { type: "Contact", referenceId: "c1" }, LastName: "Leaf", Birthdate: "1899-12-31" }] },
    },
  ];
  writeFileSync(join(home, "tree.json"), JSON.stringify({ records }));
  const planted = await sf("data", "import", "tree", "--files", "tree.json", ...target);
  assert.deepEqual(planted.map((one) => one.refId), ["a1", "c1"]);
  const query = `SELECT Name, (SELECT LastName, Birthdate FROM Contacts) FROM Account WHERE Name = 'Tree ${mark}'`;
  await sf("data", "export", "tree", "--query", query, "--output-dir", "out", ...target);
  const [file] = readdirSync(join(home, "out"));
  const [account] = JSON.parse(readFileSync(join(home, "out", file), "utf8")).records;
  assert.equal(account.Name, `Tree ${mark}`);
  assert.equal(account.Contacts.records[0].Birthdate, "1899-12-31");

  writeFileSync(join(home, "bad.json"), JSON.stringify({ records: [{ attributes: { type: "Contact", referenceId: "c9" }, Email: "no" }] }));
  const refused = await run("data", "import", "tree", "--files", "bad.json", "--json", ...target);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stdout, /INVALID_EMAIL_ADDRESS|REQUIRED_FIELD_MISSING/);
}

async function bulk() {
  const target = ["--target-org", "emu", "--wait", "5"];
  const sent = Array.from({ length: rows }, (_, at) => `Lead ${at},"sf, ""${mark}"" 🦀",${at}`);
  writeFileSync(join(home, "leads.csv"), ["LastName,Company,NumberOfEmployees", ...sent].join("\n") + "\n");
  const imported = await sf("data", "import", "bulk", "--sobject", "Lead", "--file", "leads.csv", "--line-ending", "LF", ...target);
  assert.equal(imported.successfulRecords, rows);

  const query = `SELECT LastName, Company, NumberOfEmployees FROM Lead WHERE Company LIKE 'sf, "${mark}%'`;
  const exported = await sf("data", "export", "bulk", "--query", query, "--output-file", "back.csv", "--result-format", "csv", ...target);
  assert.equal(exported.totalSize, rows);
  const back = lines("back.csv").map((line) => line.replace(/^"?(Lead \d+|LastName)"?,/, "$1,").replace(/,"?(\w+)"?$/, ",$1"));
  assert.equal(back.shift().replaceAll('"', ""), "LastName,Company,NumberOfEmployees");
  assert.deepEqual(back.sort(), [...sent].sort());

  for (const number of [30, 40]) {
    const projects = Array.from({ length: number }, (_, at) => `Project ${at} of ${number},sf-${mark}-${at}`);
    writeFileSync(join(home, "projects.csv"), ["Name,External_Key__c", ...projects].join("\n") + "\n");
    const upsert = ["data", "upsert", "bulk", "--sobject", "Project__c", "--file", "projects.csv", "--external-id", "External_Key__c"];
    const upserted = await sf(...upsert, "--line-ending", "LF", ...target);
    const counts = upserted.jobInfo ?? upserted;
    assert.equal(counts.numberRecordsProcessed ?? counts.processedRecords, number);
  }
  const left = await sf("data", "query", "-q", `SELECT COUNT() FROM Project__c WHERE External_Key__c LIKE 'sf-${mark}-%'`, "--target-org", "emu");
  assert.equal(left.totalSize, 40);

  writeFileSync(join(home, "bad.csv"), "LastName,Company,NumberOfEmployees\ngood,sf bad,1\nbad,sf bad,many\n");
  const refused = await run("data", "import", "bulk", "--sobject", "Lead", "--file", "bad.csv", "--line-ending", "LF", "--json", ...target);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stdout, /FailedRecord|failed/i);
  const id = JSON.parse(refused.stdout).data?.jobId ?? refused.stdout.match(/750\w{15}/)?.[0];
  const results = await sf("data", "bulk", "results", "--job-id", id, "--target-org", "emu");
  assert.equal(results.failedRecords, 1);
  assert.equal(results.successfulRecords, 1);
  assert.match(readFileSync(join(home, results.failedFilePath), "utf8"), /INVALID_TYPE_ON_FIELD_IN_RECORD|INVALID_NUMBER/);
}

/** Rows are changed and deleted in bulk by their Ids. */
async function changes() {
  const target = ["--target-org", "emu"];
  const made = await sf("data", "query", "-q", `SELECT Id FROM Project__c WHERE External_Key__c LIKE 'sf-${mark}-%'`, ...target);
  const ids = made.records.map((record) => record.Id);
  writeFileSync(join(home, "changed.csv"), ["Id,Name", ...ids.map((id, at) => `${id},changed ${at}`)].join("\n") + "\n");
  const update = ["data", "update", "bulk", "--sobject", "Project__c", "--file", "changed.csv", "--line-ending", "LF", "--wait", "5"];
  assert.equal((await sf(...update, ...target)).successfulRecords, ids.length);
  const changed = await sf("data", "query", "-q", "SELECT COUNT() FROM Project__c WHERE Name LIKE 'changed %'", ...target);
  assert.equal(changed.totalSize, ids.length);
  writeFileSync(join(home, "gone.csv"), ["Id", ...ids].join("\n") + "\n");
  const remove = ["data", "delete", "bulk", "--sobject", "Project__c", "--file", "gone.csv", "--line-ending", "LF", "--wait", "5"];
  const gone = await sf(...remove, ...target);
  assert.equal((gone.jobInfo ?? gone).numberRecordsProcessed ?? gone.processedRecords, ids.length);
  const left = await sf("data", "query", "-q", "SELECT COUNT() FROM Project__c WHERE Name LIKE 'changed %'", ...target);
  assert.equal(left.totalSize, 0);
}

/** A project is made from the org, changed, deployed and retrieved again. */
async function metadata() {
  const target = ["--target-org", "emu"];
  const types = await sf("org", "list", "metadata-types", ...target);
  assert.ok(types.metadataObjects.some((type) => type.xmlName === "CustomObject"));
  const listed = await sf("org", "list", "metadata", "-m", "CustomObject", ...target);
  assert.ok(listed.some((one) => one.fullName === "Project__c"));

  const project = join(home, "project");
  mkdirSync(join(project, "force-app"), { recursive: true });
  const packages = { packageDirectories: [{ path: "force-app", default: true }], sourceApiVersion: "67.0" };
  writeFileSync(join(project, "sfdx-project.json"), JSON.stringify(packages));
  const inside = { cwd: project };
  const manifest = await sf(inside, "project", "generate", "manifest", "--from-org", "emu");
  const text = readFileSync(join(project, manifest.path ?? "package.xml"), "utf8");
  assert.match(text, /<members>Project__c<\/members>[^]*<name>CustomObject<\/name>/);

  await sf(inside, "project", "retrieve", "start", "--metadata", "CustomObject:Project__c", ...target);
  const folder = join(project, "force-app/main/default/objects/Project__c");
  assert.match(readFileSync(join(folder, "fields/External_Key__c.field-meta.xml"), "utf8"), /<externalId>true<\/externalId>/);
  const field = `<?xml version="1.0" encoding="UTF-8"?>
<CustomField xmlns="http://soap.sforce.com/2006/04/metadata"><fullName>Deployed__c</fullName><label>Deployed ${mark}</label><length>60</length><type>Text</type></CustomField>`;
  writeFileSync(join(folder, "fields/Deployed__c.field-meta.xml"), field);
  const deployed = await sf(inside, "project", "deploy", "start", "--source-dir", "force-app", "--wait", "5", ...target);
  assert.deepEqual([deployed.status, deployed.numberComponentErrors], ["Succeeded", 0]);
  const described = await sf("sobject", "describe", "-s", "Project__c", ...target);
  assert.equal(described.fields.find((one) => one.name === "Deployed__c")?.label, `Deployed ${mark}`);

  rmSync(join(folder, "fields/Deployed__c.field-meta.xml"));
  await sf(inside, "project", "retrieve", "start", "--metadata", "CustomField:Project__c.Deployed__c", ...target);
  assert.match(readFileSync(join(folder, "fields/Deployed__c.field-meta.xml"), "utf8"), new RegExp(`<label>Deployed ${mark}</label>`));

  writeFileSync(join(folder, "fields/Deployed__c.field-meta.xml"), field.replace("<type>Text</type>", "<type>Nonsense</type>"));
  const refused = await run(inside, "project", "deploy", "start", "--source-dir", "force-app", "--wait", "5", "--json", ...target);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stdout, /Nonsense|Deployed__c/);
}

async function apex() {
  writeFileSync(join(home, "code.apex"), "System.debug(1);\n");
  const ran = await run("apex", "run", "--file", "code.apex", "--target-org", "emu", "--json");
  assert.notEqual(ran.code, 0);
  const said = JSON.parse(ran.stdout);
  assert.match(JSON.stringify(said), /does not run Apex/);
}

const started = Date.now();
try {
  for (const part of [login, records, org, trees, bulk, changes, metadata, apex]) {
    await part();
  }
  console.log(`sf: ${rows} rows, ${((Date.now() - started) / 1000).toFixed(1)} s`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
