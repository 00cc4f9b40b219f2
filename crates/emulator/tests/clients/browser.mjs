// SPDX-License-Identifier: Apache-2.0
// The pages for people, in a real browser: signing in by clicking Allow (authorization code with PKCE), denying, a wrong password,
// and the start page, which fits wide and narrow windows. SCREENSHOTS names a folder for pictures of each page.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const said = JSON.parse(process.env.EMULATOR);
const org = { ...said, ...said.orgs?.[0] };
const skip = (why) => {
  console.log(why);
  process.exit(77);
};

function browserProgram() {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const places = [...(process.env.PATH ?? "").split(path.delimiter), "/usr/bin", "/snap/bin"];
  for (const place of places) {
    for (const name of names) {
      const program = path.join(place, name);
      try {
        accessSync(program, constants.X_OK);
        return program;
      } catch {
        // the next one
      }
    }
  }
  return null;
}

const program = browserProgram();
if (!program) skip("there is no Chromium or Chrome on this machine");
const require = createRequire(path.join(process.env.NODE_FOLDER, "package.json"));
const { chromium } = require("playwright-core");

const browser = await chromium.launch({
  executablePath: program,
  chromiumSandbox: false,
  args: ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", "--disable-gpu"],
});

async function shoot(page, name) {
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
  }
}

// Nothing is wider than the window: a page that must be pushed aside to be read is a fault.
async function fits(page, name) {
  for (const [size, width] of [["wide", 1280], ["narrow", 390]]) {
    await page.setViewportSize({ width, height: 900 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${name} is ${wide} px too wide at ${width} px`);
    await shoot(page, `${name}-${size}`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

let checks = 0;
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  // Of a redirection that is stopped on its way, the browser says that it failed.
  page.on("requestfailed", (request) => request.url().startsWith(org.url) && faults.push(`${request.url()} failed`));

  await page.goto(org.url + "/");
  assert.equal(await page.title(), "Emulated Salesforce orgs");
  const text = await page.locator("body").innerText();
  for (const told of [org.username, org.password, org.access_token, org.client_id, "Users", "Apps", "Records", "Last requests"]) {
    assert.ok(text.includes(told), `the start page tells ${told}`);
  }
  await fits(page, "start");
  checks += 1;

  // The callback is nobody's: the browser is stopped on its way there.
  const callback = "http://localhost:1717/OauthRedirect";
  let arrived = null;
  await context.route(`${callback}**`, (route) => {
    arrived = new URL(route.request().url());
    return route.fulfill({ contentType: "text/html", body: "<p>back</p>" });
  });
  const verifier = randomBytes(48).toString("base64url");
  const state = randomBytes(8).toString("hex");
  const ask = (extra = {}) => {
    const query = new URLSearchParams({
      response_type: "code",
      client_id: org.client_id,
      redirect_uri: callback,
      scope: "api refresh_token id",
      state,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      prompt: "login consent",
      ...extra,
    });
    return page.goto(`${org.url}/services/oauth2/authorize?${query}`);
  };

  await ask();
  await fits(page, "login");
  await page.getByLabel("Username").fill(org.username);
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Log In" }).click();
  assert.ok(await page.getByRole("alert").isVisible(), "a wrong password is told");
  await shoot(page, "login-wrong");
  checks += 1;

  await page.getByLabel("Username").fill(org.username);
  await page.getByLabel("Password").fill(org.password);
  await page.getByRole("button", { name: "Log In" }).click();
  await page.getByRole("heading", { name: "Allow Access?" }).waitFor();
  assert.ok((await page.locator("body").innerText()).includes("Perform requests at any time"));
  await fits(page, "consent");
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByText("back").waitFor();
  assert.equal(arrived.searchParams.get("state"), state);
  const code = arrived.searchParams.get("code");
  checks += 1;

  const form = (fields) => fetch(`${org.url}/services/oauth2/token`, { method: "POST", body: new URLSearchParams(fields) });
  const exchange = { grant_type: "authorization_code", code, client_id: org.client_id, redirect_uri: callback };
  if (org.client_secret) exchange.client_secret = org.client_secret;
  const refused = await form({ ...exchange, code_verifier: "x".repeat(64) });
  assert.equal(refused.status, 400, "another verifier opens nothing");
  await ask({ prompt: "login" });
  await page.getByLabel("Username").fill(org.username);
  await page.getByLabel("Password").fill(org.password);
  await page.getByRole("button", { name: "Log In" }).click();
  const allow = page.getByRole("button", { name: "Allow" });
  await Promise.race([allow.waitFor(), page.getByText("back").waitFor()]);
  if (await allow.isVisible()) await allow.click();
  await page.getByText("back").waitFor();
  exchange.code = arrived.searchParams.get("code");
  const granted = await form({ ...exchange, code_verifier: verifier });
  const token = await granted.json();
  assert.equal(granted.status, 200, JSON.stringify(token));
  assert.ok(token.access_token && token.refresh_token, "a session and what renews it");
  const query = await fetch(`${org.url}/services/data/v67.0/query?q=SELECT+Name+FROM+User`, {
    headers: { authorization: `Bearer ${token.access_token}` },
  });
  assert.equal(query.status, 200);
  checks += 1;

  await ask();
  await page.getByLabel("Username").fill(org.username);
  await page.getByLabel("Password").fill(org.password);
  await page.getByRole("button", { name: "Log In" }).click();
  await page.getByRole("button", { name: "Deny" }).click();
  await page.getByText("back").waitFor();
  assert.equal(arrived.searchParams.get("error"), "access_denied");
  await ask({ redirect_uri: "http://localhost:1/elsewhere" });
  assert.ok((await page.locator("body").innerText()).includes("redirect_uri_mismatch"));
  await fits(page, "refused");
  checks += 1;

  await page.goto(org.url + "/");
  const after = await page.locator("body").innerText();
  assert.ok(after.includes("/services/data/v67.0/query"), "the last requests are shown");
  await fits(page, "start-used");
  assert.deepEqual(faults, []);
  checks += 1;
} finally {
  await browser.close();
}
console.log(`${checks} dialogues in ${path.basename(program)}`);
