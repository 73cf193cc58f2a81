// Shows what the official TypeScript clients can do besides the session:
//
//   features.mjs client auto|legacy FEATURE…    @modelcontextprotocol/client, which speaks both eras
//   features.mjs sdk legacy FEATURE…            @modelcontextprotocol/sdk, which came before it
//
// Wants MCP_URL, MCP_TOKEN and MCP_ADMIN_TOKEN; the server has the home conformance/ (see scripts/clients.sh).

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import * as modern from "@modelcontextprotocol/client";
import * as sdk from "@modelcontextprotocol/sdk/client/index.js";
import * as sdkTransport from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as sdkTypes from "@modelcontextprotocol/sdk/types.js";
import { callAsTask } from "./tasks.mjs";

const [kind, mode, ...wanted] = process.argv.slice(2);
const { MCP_URL: url, MCP_TOKEN: token, MCP_ADMIN_TOKEN: adminToken } = process.env;
const revision = mode === "legacy" ? "2025-11-25" : "2026-07-28";
const WATCHED = "test://watched-resource";

const info = { name: "wasimancer-test", version: "1.0.0" };
const capabilities = { elicitation: {} };
const requestInit = { headers: { Authorization: `Bearer ${token}` } };

function giveName({ params }) {
  assert.equal(params.message, "What is your name?");
  return { action: "accept", content: { name: "Ada" } };
}

/** What the server tells, by the names of its notifications. */
const told = new EventEmitter();
const tell = ({ method, params }) => told.emit(method, params);

function prepareModern() {
  const client = new modern.Client(info, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler("elicitation/create", giveName);
  client.setNotificationHandler("notifications/resources/updated", tell);
  client.setNotificationHandler("notifications/prompts/list_changed", tell);
  const transport = new modern.StreamableHTTPClientTransport(new URL(url), { requestInit });
  return { client, transport, callTool: (request, options) => client.callTool(request, options) };
}

/** It takes schemas where the newer one takes names. */
function prepareSdk() {
  const client = new sdk.Client(info, { capabilities });
  client.setRequestHandler(sdkTypes.ElicitRequestSchema, giveName);
  client.setNotificationHandler(sdkTypes.ResourceUpdatedNotificationSchema, tell);
  client.setNotificationHandler(sdkTypes.PromptListChangedNotificationSchema, tell);
  const transport = new sdkTransport.StreamableHTTPClientTransport(new URL(url), { requestInit });
  return { client, transport, callTool: (request, options) => client.callTool(request, undefined, options) };
}

const { client, transport, callTool } = kind === "sdk" ? prepareSdk() : prepareModern();

async function call(name, args = {}, options = {}) {
  const result = await callTool({ name, arguments: args }, options);
  assert.ok(!result.isError, `${name}: ${JSON.stringify(result.content)}`);
  return result.content[0].text;
}

/** Changes what the server serves, as its operator does. */
async function operate(method, path, definition) {
  const headers = { Authorization: `Bearer ${adminToken}`, "Content-Type": "application/json" };
  const answer = await fetch(url.replace(/\/mcp$/, path), { method, headers, body: JSON.stringify(definition) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`);
}

/** Listens where the revision has the method for it. */
async function listen(filter) {
  return mode === "legacy" ? { close() {} } : client.listen(filter);
}

const features = {
  async subscription() {
    const subscription = await listen({ resourceSubscriptions: [WATCHED] });
    if (mode === "legacy") await client.subscribeResource({ uri: WATCHED });
    const content = { text: `Written by the operator of ${process.pid}` };
    const updated = once(told, "notifications/resources/updated");
    const definition = { name: "watched-resource", uri: WATCHED, contents: [content] };
    await operate("PUT", "/update-resource/watched-resource", definition);
    assert.equal((await updated)[0].uri, WATCHED);
    await subscription.close();
    const { contents } = await client.readResource({ uri: WATCHED });
    assert.equal(contents[0].text, content.text);
  },

  // A session's lists are watched once its stream is open, which the update of a resource has shown before.
  async list_changed() {
    const hasPrompt = async () => (await client.listPrompts()).prompts.some((prompt) => prompt.name === "added");
    const definition = { name: "added", arguments: [], messages: [{ role: "user", text: "Comes and goes" }] };
    const change = async (...request) => {
      const changed = once(told, "notifications/prompts/list_changed");
      await operate(...request);
      await changed;
    };
    assert.equal(await hasPrompt(), false);
    const subscription = await listen({ promptsListChanged: true });
    await change("POST", "/add-prompt", definition);
    assert.equal(await hasPrompt(), true);
    await change("DELETE", "/remove-prompt/added");
    assert.equal(await hasPrompt(), false);
    await subscription.close();
  },

  async elicitation() {
    assert.equal(await call("test_input_required_result_elicitation"), "Hello, Ada!");
  },

  async progress() {
    const seen = [];
    await call("test_tool_with_progress", {}, { onprogress: ({ progress, total }) => seen.push([progress, total]) });
    assert.deepEqual(seen, [[0, 100], [50, 100], [100, 100]]);
  },

  async cancellation() {
    const controller = new AbortController();
    const options = { signal: controller.signal, onprogress: () => controller.abort("enough") };
    await assert.rejects(call("slow_compute", { seconds: 3000 }, options), /enough/);
    // The server has one place for calls, which is free again.
    await call("test_simple_text");
  },

  async task() {
    const answer = { action: "accept", content: { confirm: true } };
    const framing = { protocolVersion: revision, clientInfo: info, clientCapabilities: capabilities };
    const request = ["confirm_delete", { filename: "a" }];
    const { result, statuses } = await callAsTask(client, transport, framing, ...request, answer);
    assert.deepEqual(result.content, [{ type: "text", text: "The answer is true." }]);
    assert.ok(statuses.includes("input_required"), `statuses: ${statuses}`);
    assert.equal(statuses.at(-1), "completed");
  },
};

await client.connect(transport);
assert.equal(transport.protocolVersion, revision);
for (const feature of wanted) await features[feature]();
await client.close();
console.log(`${revision}: ${wanted.join(" ")}`);
