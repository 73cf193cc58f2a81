// Plays the session with any client that has the methods of the SDK's class Client.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

// Wanted from the environment (see scripts/clients.sh); the session is a file.
export const { MCP_URL: url, MCP_TOKEN: token } = process.env;
export const session = JSON.parse(await readFile(process.env.MCP_SESSION, "utf8"));

function checkCall(call, result, hasStructured) {
  const what = `${call.tool} ${JSON.stringify(call.arguments)}`;
  assert.equal(result.isError ?? false, "error" in call, `${what}: isError`);
  assert.deepEqual(result.content.map((content) => content.type), ["text"], what);
  const [{ text }] = result.content;
  if ("text" in call) {
    assert.equal(text, call.text, what);
  } else if ("structured" in call) {
    assert.deepEqual(result.structuredContent, hasStructured ? call.structured : undefined, what);
    assert.deepEqual(JSON.parse(text), call.structured, what);
  } else if ("error" in call) {
    assert.ok(text.includes(call.error), `${what}: ${text}`);
  } else {
    assert.match(text, new RegExp(call.pattern), what);
  }
}

function onlyPage(page) {
  assert.equal(page.nextCursor, undefined);
  return page;
}

const reference = ({ prompt, template }) =>
  prompt ? { type: "ref/prompt", name: prompt } : { type: "ref/resource", uri: template };

/**
 * Checks what the client sees, and answers how many different tools were called. Structured content came with
 * 2025-06-18.
 */
export async function play(client, hasStructured = true) {
  assert.equal(client.getServerVersion().name, session.server);

  const { tools } = onlyPage(await client.listTools());
  assert.deepEqual(tools.map((tool) => tool.name), session.tools);
  const called = new Set();
  for (const call of session.calls) {
    checkCall(call, await client.callTool({ name: call.tool, arguments: call.arguments }), hasStructured);
    called.add(call.tool);
  }
  assert.deepEqual(called, new Set(session.tools), "tools called");

  const { resources } = onlyPage(await client.listResources());
  assert.deepEqual(resources.map((resource) => resource.uri), session.resources);
  const { resourceTemplates } = onlyPage(await client.listResourceTemplates());
  assert.deepEqual(resourceTemplates.map((template) => template.uriTemplate), session.templates);
  for (const { uri, contents } of session.reads) {
    const result = await client.readResource({ uri });
    const actual = result.contents.map(({ uri, mimeType, text }) => ({ uri, mimeType, text }));
    const expected = contents.map(({ mimeType, text }) => ({ uri, mimeType, text }));
    assert.deepEqual(actual, expected);
  }

  const { prompts } = onlyPage(await client.listPrompts());
  assert.deepEqual(prompts.map((prompt) => prompt.name), session.prompts);
  for (const get of session.gets) {
    const result = await client.getPrompt({ name: get.prompt, arguments: get.arguments });
    const actual = result.messages.map(({ role, content }) => ({ role, text: content.text }));
    assert.deepEqual(actual, get.messages);
  }

  // The Inspector's command line has no method for completions.
  if (client.complete) {
    for (const { argument: name, value, values, ...of } of session.completions) {
      const result = await client.complete({ ref: reference(of), argument: { name, value } });
      assert.deepEqual(result.completion.values, values, `completion of ${name}`);
    }
  }
  return called.size;
}
