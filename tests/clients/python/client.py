"""Plays the session with the official Python client: client.py auto|legacy [COMMAND…].

With a command it starts that server and speaks to it on standard input and output. Else it wants MCP_URL and MCP_TOKEN.
Both want MCP_SESSION, the file of the session (see scripts/clients.sh).
"""

import asyncio
import json
import os
import re
import sys

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import PromptReference, ResourceTemplateReference

from checks import REVISIONS, equal


def only_page(page):
    equal("next_cursor", page.next_cursor, None)
    return page


def check_call(call, result):
    what = f"{call['tool']} {call['arguments']}"
    equal(f"{what}: is_error", result.is_error, "error" in call)
    equal(f"{what}: kinds of content", [content.type for content in result.content], ["text"])
    text = result.content[0].text
    if "text" in call:
        equal(what, text, call["text"])
    elif "structured" in call:
        equal(what, result.structured_content, call["structured"])
        equal(f"{what}: text", json.loads(text), call["structured"])
    else:
        pattern = re.escape(call["error"]) if "error" in call else call["pattern"]
        if not re.search(pattern, text):
            raise AssertionError(f"{what}: {text!r}, expected {pattern!r}")


def reference(completion):
    if "prompt" in completion:
        return PromptReference(type="ref/prompt", name=completion["prompt"])
    return ResourceTemplateReference(type="ref/resource", uri=completion["template"])


async def play(client, session):
    """Checks what the client sees, and answers how many different tools were called."""
    equal("server", client.server_info.name, session["server"])

    tools = only_page(await client.list_tools()).tools
    equal("tools", [tool.name for tool in tools], session["tools"])
    for call in session["calls"]:
        check_call(call, await client.call_tool(call["tool"], call["arguments"]))
    called = {call["tool"] for call in session["calls"]}
    equal("tools called", called, {tool.name for tool in tools})

    resources = only_page(await client.list_resources()).resources
    equal("resources", [resource.uri for resource in resources], session["resources"])
    templates = only_page(await client.list_resource_templates()).resource_templates
    equal("templates", [template.uri_template for template in templates], session["templates"])
    for read in session["reads"]:
        result = await client.read_resource(read["uri"])
        actual = [(content.uri, content.mime_type, content.text) for content in result.contents]
        expected = [(read["uri"], content.get("mimeType"), content["text"]) for content in read["contents"]]
        equal(read["uri"], actual, expected)

    prompts = only_page(await client.list_prompts()).prompts
    equal("prompts", [prompt.name for prompt in prompts], session["prompts"])
    for get in session["gets"]:
        result = await client.get_prompt(get["prompt"], get["arguments"])
        actual = [{"role": message.role, "text": message.content.text} for message in result.messages]
        equal(get["prompt"], actual, get["messages"])

    for completion in session["completions"]:
        argument = {"name": completion["argument"], "value": completion["value"]}
        result = await client.complete(reference(completion), argument)
        equal(f"completion {argument}", result.completion.values, completion["values"])

    return len(called)


async def check_refusal(url, mode):
    """The server answers a wrong token with 401, which the client takes for a failure to connect."""
    statuses = []

    async def note(response):
        statuses.append(response.status_code)

    headers = {"Authorization": "Bearer wrong"}
    async with httpx2.AsyncClient(headers=headers, event_hooks={"response": [note]}) as http:
        try:
            async with Client(streamable_http_client(url, http_client=http), mode=mode):
                connected = True
        except Exception:
            connected = False
    equal("connected with a wrong token", connected, False)
    equal("statuses with a wrong token", set(statuses), {401})


async def play_with(transport, mode, session):
    async with Client(transport, mode=mode) as client:
        equal("revision", client.protocol_version, REVISIONS[mode])
        return await play(client, session)


async def over_http(mode, session):
    url = os.environ["MCP_URL"]
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        called = await play_with(streamable_http_client(url, http_client=http), mode, session)
    await check_refusal(url, mode)
    return called


async def over_stdio(mode, session, command):
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    return await play_with(stdio_client(server), mode, session)


async def main(mode, *command):
    with open(os.environ["MCP_SESSION"], encoding="utf-8") as file:
        session = json.load(file)
    if command:
        called = await over_stdio(mode, session, command)
    else:
        called = await over_http(mode, session)
    print(f"{REVISIONS[mode]}: {called} tools called")


asyncio.run(main(*sys.argv[1:]))
