// SPDX-License-Identifier: Apache-2.0
// Keeps a Node program on this machine: `node --require loopback.cjs` opens no socket to another one.
"use strict";

const dns = require("node:dns");
const net = require("node:net");
const { promisify } = require("node:util");

const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

function refusal(host) {
  return Object.assign(new Error(`only this machine may be reached, not ${host}`), { code: "ECONNREFUSED" });
}

const lookup = dns.lookup;
const lookupPromised = promisify(lookup);
dns.lookup = function lookupLoopback(host, ...rest) {
  if (LOOPBACK.has(host)) return lookup.call(dns, host, ...rest);
  process.nextTick(rest.at(-1), refusal(host));
};
const promised = async (host, options = {}) => {
  if (!LOOPBACK.has(host)) throw refusal(host);
  return lookupPromised(host, options);
};
dns.lookup[promisify.custom] = promised;
dns.promises.lookup = promised;

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function connectLoopback(...given) {
  // Node itself calls with its normalised arguments: an array of options and callback.
  const options = Array.isArray(given[0]) ? given[0][0] : given[0];
  const host = options && typeof options === "object" ? options.path ? null : options.host : null;
  if (host && !LOOPBACK.has(host)) {
    process.nextTick(() => this.destroy(refusal(host)));
    return this;
  }
  return connect.apply(this, given);
};
