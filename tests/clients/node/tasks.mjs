// Tasks for @modelcontextprotocol/client. It takes no result of type "task", so the official package for tasks wants a
// way past it to the wire.

import {
  createApplicationInputHandler, createTaskSessionFromClient, resultFromTaskOutcome,
} from "@modelcontextprotocol/ext-tasks/client";

/** Sends requests over the transport of a connected client, which sees nothing of their answers. */
function besides(transport) {
  const waiting = new Map();
  const pass = transport.onmessage;
  let last = 0;
  transport.onmessage = (message, extra) => {
    const settle = waiting.get(message.id);
    if (!settle) return pass(message, extra);
    waiting.delete(message.id);
    settle("error" in message ? { kind: "error", error: message.error } : { kind: "result", result: message.result });
  };
  return (request) => new Promise((resolve, reject) => {
    const id = `besides-${++last}`;
    waiting.set(id, resolve);
    transport.send({ jsonrpc: "2.0", id, ...request }).catch(reject);
  });
}

/** Calls a tool, polls its task to the end, gives every question the answer, and keeps the statuses that it saw. */
export async function callAsTask(client, transport, framing, name, args, answer) {
  const session = createTaskSessionFromClient(client, {
    endpointId: "wasimancer",
    rawDispatch: besides(transport),
    v2RequestFraming: framing,
    onInputRequest: createApplicationInputHandler({ elicitation: () => answer }),
  });
  const statuses = [];
  const execution = await session.callTool(name, args);
  const onEvent = ({ task, outcome }) => statuses.push((task ?? outcome).status);
  const { outcome } = await execution.settle({ onEvent });
  await session.close();
  return { result: resultFromTaskOutcome(outcome), statuses };
}
