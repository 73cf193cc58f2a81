// The operator of the server that the conformance suite runs against. Two of the suite's tools ask for a change of a
// list; no tool can make one, so they ask here, and it is made over the REST API.
//
//   WASIMANCER_ADMIN_TOKEN=… node operator.mjs FILE_WITH_THE_OUTPUT_OF_THE_SERVER
//
// `POST /tools` adds a plugin or removes it again, `POST /prompts` does the same with a prompt.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'

const [output] = process.argv.slice(2)
const authorization = `Bearer ${process.env.WASIMANCER_ADMIN_TOKEN}`

async function send(method, path, headers, body) {
  const [, server] = /listening on (http:\/\/[^\s]*)\/mcp/.exec(await readFile(output, 'utf8'))
  const answer = await fetch(server + path, { method, headers: { authorization, ...headers }, body })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
}

async function addTool() {
  const form = new FormData()
  const functions = [{ displayName: 'test_added_tool', function: 'simple_text', description: 'Comes and goes' }]
  form.append('pluginData', JSON.stringify({ name: 'added', functions }))
  const module = await readFile(new URL('plugins/fixtures/fixtures.wasm', import.meta.url))
  form.append('wasmFile', new Blob([module], { type: 'application/wasm' }), 'added.wasm')
  await send('POST', '/upload-plugin', {}, form)
}

async function addPrompt() {
  const messages = [{ role: 'user', text: 'Comes and goes' }]
  const prompt = { name: 'test_added_prompt', description: 'Comes and goes', arguments: [], messages }
  await send('POST', '/add-prompt', { 'content-type': 'application/json' }, JSON.stringify(prompt))
}

const lists = {
  '/tools': { isAdded: false, add: addTool, remove: () => send('DELETE', '/remove-plugin/added') },
  '/prompts': { isAdded: false, add: addPrompt, remove: () => send('DELETE', '/remove-prompt/test_added_prompt') },
}

const operator = createServer(async (request, response) => {
  try {
    const list = lists[request.url]
    await (list.isAdded ? list.remove() : list.add())
    list.isAdded = !list.isAdded
    response.end()
  } catch (error) {
    console.error(error)
    response.writeHead(500).end()
  }
})
operator.listen(0, '127.0.0.1', () => console.log(`operator listening on http://127.0.0.1:${operator.address().port}`))
