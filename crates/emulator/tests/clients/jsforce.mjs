// SPDX-License-Identifier: Apache-2.0
// jsforce, unmodified, against an emulated org over a socket: SOAP login, identity, rows, queries, Bulk 2.0 and 1.0, files,
// metadata.
//
// Reads the line that the example `serve` or `orgkeep emulator --json` prints from the environment variable EMULATOR, and the
// folder whose node_modules hold jsforce from NODE_FOLDER. Exits non-zero at the first difference. Results of several pages
// are not read through `bulk2.query`, which miscounts them in jsforce 3.10.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.NODE_FOLDER, "package.json"));
const { Connection, OAuth2 } = require("jsforce");
const said = JSON.parse(process.env.EMULATOR);
const emulator = { ...said, ...said.orgs?.[0] };
/** Marks what this run creates, so that it can be run again on the same org. */
const mark = `js-${Date.now().toString(36)}`;
const started = Date.now();

const bySoap = new Connection({ loginUrl: emulator.url, version: "59.0" });
await bySoap.login(emulator.username, emulator.password + (emulator.security_token ?? ""));
assert.equal((await bySoap.identity()).username, emulator.username);
await assert.rejects(new Connection({ loginUrl: emulator.url }).login(emulator.username, "wrong"), /INVALID_LOGIN/);

const oauth2 = new OAuth2({ loginUrl: emulator.url, clientId: emulator.client_id, clientSecret: emulator.client_secret });
const bySecret = new Connection({ oauth2 });
await bySecret.authorize({ grant_type: "client_credentials" });
assert.equal(bySecret.instanceUrl, emulator.url);

const org = new Connection({ instanceUrl: emulator.url, accessToken: emulator.access_token, version: "67.0" });
const accounts = org.sobject("Account");
const made = await accounts.create([{ Name: `${mark} 1` }, { Name: `${mark} 2` }]);
assert.deepEqual(made.map((one) => one.success), [true, true]);
const ids = made.map((one) => one.id);
assert.deepEqual((await accounts.retrieve(ids)).map((row) => row.Name), [`${mark} 1`, `${mark} 2`]);
await org.sobject("Contact").create({ LastName: "child", AccountId: ids[0] });
const found = await accounts
  .find({ Name: { $like: `${mark}%` } }, "Id, Name, CreatedDate")
  .sort({ Name: 1 })
  .include("Contacts")
  .select("LastName")
  .end()
  .execute();
assert.equal(found[0].Contacts.records[0].LastName, "child");
assert.equal(found[1].Contacts, null);
const first = await accounts.upsert({ Legacy_Id__c: mark, Name: mark }, "Legacy_Id__c");
const second = await accounts.upsert({ Legacy_Id__c: mark, Name: mark }, "Legacy_Id__c");
assert.deepEqual([first.created, second.created, first.id], [true, false, second.id]);
assert.ok((await accounts.destroy(ids)).every((one) => one.success));
await assert.rejects(accounts.retrieve(ids[0]), { errorCode: "ENTITY_IS_DELETED" });
await assert.rejects(org.query("SELECT Foo FROM Account"), { errorCode: "INVALID_FIELD" });

assert.ok((await org.describeGlobal()).sobjects.length > 80);
assert.ok((await accounts.describe()).fields.length > 50);
assert.ok((await org.limits()).DailyApiRequests.Max > 0);
assert.ok(org.limitInfo.apiUsage.used > 0);

const input = Array.from({ length: 2100 }, (_, at) => ({ LastName: `${at}`, Company: mark }));
const loaded = await org.bulk2.loadAndWaitForResults({ object: "Lead", operation: "insert", input });
assert.deepEqual([loaded.successfulResults.length, loaded.failedResults.length], [2100, 0]);
const query = `SELECT LastName FROM Lead WHERE Company = '${mark}'`;
assert.equal((await (await org.bulk2.query(query)).toArray()).length, 2100);
assert.equal((await org.query(query, { autoFetch: true, maxFetch: 10_000 })).records.length, 2100);

const leads = Array.from({ length: 250 }, (_, at) => ({ LastName: `one ${at}`, Company: `${mark} one`, NumberOfEmployees: at }));
const batch = await org.bulk.load("Lead", "insert", leads);
assert.deepEqual([...new Set(batch.map((one) => one.success))], [true]);
const rows = await (await org.bulk.query(`SELECT Id, LastName FROM Lead WHERE Company = '${mark} one'`)).toArray();
assert.deepEqual(rows.map((row) => row.Id).sort(), batch.map((one) => one.id).sort());
assert.deepEqual(rows.map((row) => row.LastName).sort(), leads.map((lead) => lead.LastName).sort());
const refused = await org.bulk.load("Lead", "update", [{ Id: batch[0].id, NumberOfEmployees: "many" }]);
assert.equal(refused[0].success, false);
assert.match(String(refused[0].errors), /INVALID_TYPE_ON_FIELD_IN_RECORD/);
const expired = new Connection({ instanceUrl: emulator.url, accessToken: `${emulator.access_token}x` });
await assert.rejects(async () => await expired.bulk.load("Lead", "insert", leads), /InvalidSessionId|Invalid session/i);

const file = await org.sobject("ContentVersion").create({
  Title: mark,
  PathOnClient: "note.txt",
  VersionData: Buffer.from("hi 🦀").toString("base64"),
});
const pieces = [];
for await (const piece of org.sobject("ContentVersion").record(file.id).blob("VersionData")) {
  pieces.push(piece);
}
assert.equal(Buffer.concat(pieces).toString(), "hi 🦀");

const types = (await org.metadata.describe("67.0")).metadataObjects.map((type) => type.xmlName);
assert.ok(types.includes("CustomObject") && types.includes("Profile"));
const named = await org.metadata.list({ type: "CustomObject" }, "67.0");
assert.ok(named.some((one) => one.fullName === "Project__c" && one.fileName.endsWith("Project__c.object")));
const field = { fullName: `Account.${mark.replace("-", "_")}__c`, label: mark, type: "Text", length: 40 };
assert.equal((await org.metadata.create("CustomField", field)).success, true);
assert.equal((await org.metadata.read("CustomField", field.fullName)).label, mark);
assert.equal((await org.metadata.delete("CustomField", field.fullName)).success, true);
org.metadata.pollTimeout = 60_000;
org.metadata.pollInterval = 200;
const members = { apiVersion: "67.0", singlePackage: true, unpackaged: { types: [{ name: "CustomObject", members: ["Project__c"] }], version: "67.0" } };
const retrieved = await org.metadata.retrieve(members).complete();
assert.equal(retrieved.success, true);
const zip = Buffer.from(retrieved.zipFile, "base64");
assert.ok(zip.includes("objects/Project__c.object") && zip.includes("package.xml"));
const deployed = await org.metadata.deploy(zip, { singlePackage: true, rollbackOnError: true }).complete(true);
assert.deepEqual([deployed.success, deployed.status], [true, "Succeeded"], JSON.stringify(deployed.details));
await assert.rejects(expired.metadata.list({ type: "CustomObject" }), /INVALID_SESSION_ID/);

await assert.rejects(expired.query("SELECT Id FROM Account"), { errorCode: "INVALID_SESSION_ID" });
await bySoap.logout();
console.log(`jsforce: ${((Date.now() - started) / 1000).toFixed(1)} s`);
