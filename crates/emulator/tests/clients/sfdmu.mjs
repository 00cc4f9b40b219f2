// SPDX-License-Identifier: Apache-2.0
// sfdmu, the data mover plugin of the Salesforce CLI, unmodified: a family of records with relations is exported to CSV files,
// taken from the org and imported again. What comes back must be the same records, related to each other as before.
//
// Reads the line that `orgkeep emulator --json` prints from the environment variable EMULATOR, and the folder whose
// node_modules hold the plugin from NODE_FOLDER. Exits non-zero at the first difference.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const said = JSON.parse(process.env.EMULATOR);
const emulator = { ...said, ...said.orgs?.[0] };
const mark = `dm-${Date.now().toString(36)}`;
const families = 220;
const started = Date.now();

function run(...words) {
  return new Promise((resolve) => {
    execFile("sf", words, { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, text: stdout + stderr });
    });
  });
}

/** A REST call of the test's own, which sfdmu has no part in. */
async function rest(method, path, body) {
  const answer = await fetch(`${emulator.url}/services/data/v67.0${path}`, {
    method,
    headers: { authorization: `Bearer ${emulator.access_token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

async function query(statement) {
  let page = await rest("GET", `/query?q=${encodeURIComponent(statement)}`);
  const records = page.records;
  while (!page.done) {
    page = await rest("GET", page.nextRecordsUrl.replace("/services/data/v67.0", ""));
    records.push(...page.records);
  }
  return records;
}

/** Sends rows to a collection, 200 at a time; all or none of each. */
async function send(method, type, rows) {
  const ids = [];
  for (let start = 0; start < rows.length; start += 200) {
    const records = rows.slice(start, start + 200).map((row) => ({ attributes: { type }, ...row }));
    const results = await rest(method, "/composite/sobjects", { allOrNone: true, records });
    assert.ok(results.every((result) => result.success), JSON.stringify(results.find((result) => !result.success)));
    ids.push(...results.map((result) => result.id));
  }
  return ids;
}

async function remove(ids) {
  for (let start = 0; start < ids.length; start += 200) {
    await rest("DELETE", `/composite/sobjects?allOrNone=true&ids=${ids.slice(start, start + 200).join(",")}`);
  }
}

/** The families as they stand, told by their own keys instead of Ids. */
async function family() {
  const accounts = await query(
    `SELECT Legacy_Id__c, Name, Site, NumberOfEmployees, Parent.Legacy_Id__c FROM Account WHERE Legacy_Id__c LIKE '${mark}%' ORDER BY Legacy_Id__c`,
  );
  const contacts = await query(
    `SELECT LastName, FirstName, Birthdate, Account.Legacy_Id__c, ReportsTo.LastName FROM Contact WHERE LastName LIKE '${mark}%' ORDER BY LastName`,
  );
  return {
    accounts: accounts.map((one) => [one.Legacy_Id__c, one.Name, one.Site, one.NumberOfEmployees, one.Parent?.Legacy_Id__c ?? null]),
    contacts: contacts.map((one) => [one.LastName, one.FirstName, one.Birthdate, one.Account?.Legacy_Id__c, one.ReportsTo?.LastName ?? null]),
  };
}

const key = (at) => `${mark}-${String(at).padStart(4, "0")}`;
const accounts = await send("POST", "Account", Array.from({ length: families }, (_, at) => ({
  Legacy_Id__c: key(at),
  Name: `Straße, "${at}" 🦀`,
  Site: at % 2 ? "line\nbreak" : null,
  NumberOfEmployees: at,
})));
await send("PATCH", "Account", accounts.slice(1).map((id, at) => ({ id, ParentId: accounts[Math.floor(at / 2)] })));
const contacts = await send("POST", "Contact", accounts.flatMap((AccountId, at) => [
  { LastName: `${key(at)} A`, FirstName: "Ä", Birthdate: "1899-12-31", AccountId },
  { LastName: `${key(at)} B`, AccountId },
]));
await send("PATCH", "Contact", accounts.map((_, at) => ({ id: contacts[2 * at + 1], ReportsToId: contacts[2 * at] })));
const before = await family();
assert.deepEqual([before.accounts.length, before.contacts.length], [families, 2 * families]);

const linked = await run("plugins", "link", join(process.env.NODE_FOLDER, "node_modules/sfdmu"), "--no-install");
assert.equal(linked.code, 0, linked.text);
mkdirSync("move", { recursive: true });
const plan = {
  orgs: [{ name: "emu", instanceUrl: emulator.url, accessToken: emulator.access_token }],
  objects: [
    {
      query: `SELECT Id, Legacy_Id__c, Name, Site, NumberOfEmployees, ParentId FROM Account WHERE Legacy_Id__c LIKE '${mark}%'`,
      operation: "Upsert",
      externalId: "Legacy_Id__c",
    },
    {
      query: `SELECT Id, LastName, FirstName, Birthdate, AccountId, ReportsToId FROM Contact WHERE LastName LIKE '${mark}%'`,
      operation: "Upsert",
      externalId: "LastName",
    },
  ],
};
writeFileSync("move/export.json", JSON.stringify(plan));
const move = ["sfdmu", "run", "-p", "move", "--noprompt", "--nowarnings", "--json"];
const exported = await run(...move, "-s", "emu", "-u", "csvfile");
assert.equal(exported.code, 0, exported.text);
const head = readFileSync("move/Contact.csv", "utf8").split("\n")[0];
assert.match(head, /Account\.Legacy_Id__c/, `the relation in the CSV: ${head}`);

await remove(contacts);
await remove([...accounts].reverse());
assert.deepEqual(await family(), { accounts: [], contacts: [] });
const imported = await run(...move, "-s", "csvfile", "-u", "emu");
assert.equal(imported.code, 0, imported.text);
assert.deepEqual(await family(), before);

// A second import finds everything there, by external id, and makes nothing twice.
const again = await run(...move, "-s", "csvfile", "-u", "emu");
assert.equal(again.code, 0, again.text);
assert.deepEqual(await family(), before);
console.log(`sfdmu: ${3 * families} records there and back, ${((Date.now() - started) / 1000).toFixed(1)} s`);
