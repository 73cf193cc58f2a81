"""Plays the session with a framework's client: frameworks.py fastmcp|agents.

Wants MCP_URL, MCP_TOKEN and MCP_SESSION (see scripts/clients.sh). The OpenAI Agents SDK makes strict schemas of the
tools' for its models, and has no resources and completions.
"""

import asyncio
import os
import sys

from checks import equal
from session import called, messages, play, play_tools, reference, session

URL, TOKEN = os.environ["MCP_URL"], os.environ["MCP_TOKEN"]


class FastMcp:
    """FastMCP's client, as the session asks it."""

    def __init__(self, client):
        self.client = client
        self.server = client.server_info.name

    async def tools(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, tool, arguments):
        return called(await self.client.call_tool_mcp(tool, arguments))

    async def resources(self):
        return [str(resource.uri) for resource in await self.client.list_resources()]

    async def templates(self):
        return [template.uri_template for template in await self.client.list_resource_templates()]

    async def read(self, uri):
        contents = await self.client.read_resource(uri)
        return [(str(content.uri), content.mime_type, content.text) for content in contents]

    async def prompts(self):
        return [prompt.name for prompt in await self.client.list_prompts()]

    async def get(self, prompt, arguments):
        return messages(await self.client.get_prompt(prompt, arguments))

    async def complete(self, completion, argument):
        return (await self.client.complete(reference(completion), argument)).values


async def fastmcp():
    from fastmcp import Client

    async with Client(URL, auth=TOKEN) as client:
        return client.protocol_version, await play(FastMcp(client), session())


class Agents:
    """The OpenAI Agents SDK, as the session asks it for tools."""

    def __init__(self, server):
        self.server = server

    async def tools(self):
        from agents import Agent, RunContextWrapper
        from agents.mcp import MCPUtil

        context, agent = RunContextWrapper(context=None), Agent(name="session")
        tools = await MCPUtil.get_function_tools(self.server, True, context, agent)
        for tool in tools:
            # What a strict schema must say, and what a model may then leave out: nothing.
            schema = tool.params_json_schema
            equal(f"{tool.name}: strict", tool.strict_json_schema, True)
            equal(f"{tool.name}: additionalProperties", schema["additionalProperties"], False)
            equal(f"{tool.name}: required", sorted(schema.get("required", [])), sorted(schema["properties"]))
        return [tool.name for tool in tools]

    async def call(self, tool, arguments):
        return called(await self.server.call_tool(tool, arguments))


async def agents():
    from agents.mcp import MCPServerStreamableHttp

    headers = {"Authorization": f"Bearer {TOKEN}"}
    params = {"url": URL, "headers": headers}
    played = session()
    # It refuses by itself what lacks a required argument.
    played["calls"] = [call for call in played["calls"] if call["arguments"] or "error" not in call]
    async with MCPServerStreamableHttp(params, client_session_timeout_seconds=60) as server:
        count = await play_tools(Agents(server), played)
        return server.session.protocol_version, count


FRAMEWORKS = {"fastmcp": fastmcp, "agents": agents}
revision, count = asyncio.run(FRAMEWORKS[sys.argv[1]]())
print(f"{revision}: {count} tools called")
