// Plays the session with the official TypeScript clients:
//
//   client.mjs client auto|pinned|legacy    @modelcontextprotocol/client, which speaks both eras
//   client.mjs sdk legacy                   @modelcontextprotocol/sdk, which came before it
//   client.mjs sdk-1.10 legacy              the last of it that speaks 2024-11-05 alone

import assert from "node:assert/strict";
import * as modern from "@modelcontextprotocol/client";
import * as sdk from "@modelcontextprotocol/sdk/client/index.js";
import * as sdkTransport from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as oldest from "sdk-1.10/client/index.js";
import * as oldestTransport from "sdk-1.10/client/streamableHttp.js";
import { play, token, url } from "./session.mjs";

const [kind, mode] = process.argv.slice(2);
const revision = kind === "sdk-1.10" ? "2024-11-05" : mode === "legacy" ? "2025-11-25" : "2026-07-28";

/** A client, its transport, and the statuses of what the server answers. */
function prepare(bearer) {
  const statuses = new Set();
  const options = {
    requestInit: { headers: { Authorization: `Bearer ${bearer}` } },
    async fetch(...request) {
      const response = await fetch(...request);
      statuses.add(response.status);
      return response;
    },
  };
  const info = { name: "wasimancer-test", version: "1.0.0" };
  if (kind === "sdk-1.10") {
    const transport = new oldestTransport.StreamableHTTPClientTransport(new URL(url), options);
    // It keeps the revision that was agreed on to itself.
    transport.protocolVersion = revision;
    return { client: new oldest.Client(info), transport, statuses };
  }
  if (kind === "sdk") {
    const transport = new sdkTransport.StreamableHTTPClientTransport(new URL(url), options);
    return { client: new sdk.Client(info), transport, statuses };
  }
  const versionNegotiation = { mode: mode === "pinned" ? { pin: revision } : mode };
  const transport = new modern.StreamableHTTPClientTransport(new URL(url), options);
  return { client: new modern.Client(info, { versionNegotiation }), transport, statuses };
}

const { client, transport } = prepare(token);
await client.connect(transport);
assert.equal(transport.protocolVersion, revision);
const called = await play(client, kind !== "sdk-1.10");
await client.close();

const wrong = prepare("wrong");
await assert.rejects(wrong.client.connect(wrong.transport));
// The oldest one does not let anybody else fetch.
const expected = kind === "sdk-1.10" ? [] : [401];
assert.deepEqual(wrong.statuses, new Set(expected), "statuses with a wrong token");

console.log(`${revision}: ${called} tools called`);
