// Plays the session with the Inspector's command line, a process for each step: inspector.mjs auto|modern|legacy

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { play, token, url } from "./session.mjs";

const [mode] = process.argv.slice(2);
const revision = mode === "legacy" ? "2025-11-25" : "2026-07-28";
const launcher = import.meta.resolve("@modelcontextprotocol/inspector/clients/launcher/build/index.js");

// What the command line exits with: for an error of the tool, which it prints as a result, and for a refused token.
const EXIT_OF_TOOL_ERROR = 5;
const EXIT_OF_REFUSAL = 3;

function start(bearer, method, ...options) {
  const server = ["--cli", url, "--header", `Authorization: Bearer ${bearer}`, "--stored-auth-only"];
  const step = ["--format", "json", "--protocol-era", mode, "--method", method, ...options];
  return new Promise((resolve) => {
    execFile(process.execPath, [fileURLToPath(launcher), ...server, ...step], (error, stdout, stderr) => {
      resolve({ exit: error ? error.code : 0, stdout, stderr });
    });
  });
}

async function run(method, ...options) {
  const { exit, stdout, stderr } = await start(token, method, ...options);
  const { result } = stdout ? JSON.parse(stdout) : {};
  assert.equal(exit, result?.isError ? EXIT_OF_TOOL_ERROR : 0, `${method} ${options}: ${stderr}`);
  return result;
}

const initialized = await run("initialize");
assert.equal(initialized.protocolVersion, revision);

const called = await play({
  getServerVersion: () => initialized.serverInfo,
  // --strict fails for a schema that not every client could use.
  listTools: () => run("tools/list", "--strict"),
  callTool: (call) => run("tools/call", "--tool-name", call.name, "--tool-args-json", JSON.stringify(call.arguments)),
  listResources: () => run("resources/list"),
  listResourceTemplates: () => run("resources/templates/list"),
  readResource: ({ uri }) => run("resources/read", "--uri", uri),
  listPrompts: () => run("prompts/list"),
  getPrompt(get) {
    const pairs = Object.entries(get.arguments).map(([name, value]) => `${name}=${value}`);
    return run("prompts/get", "--prompt-name", get.name, "--prompt-args", ...pairs);
  },
});

const refused = await start("wrong", "tools/list");
assert.equal(refused.exit, EXIT_OF_REFUSAL, refused.stderr);
assert.equal(JSON.parse(refused.stderr).error.code, "auth_required");

console.log(`${revision}: ${called} tools called`);
