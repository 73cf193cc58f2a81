"""Plays the session with the official Python client before version 2.

Wants MCP_URL, MCP_TOKEN and MCP_SESSION (see scripts/clients.sh).
"""

import asyncio
import os

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import PromptReference, ResourceTemplateReference

from checks import equal
from session import called, messages, only_page, play, session

REVISION = "2025-11-25"


class Asked:
    """The client, as the session asks it."""

    def __init__(self, client, server):
        self.client = client
        self.server = server

    async def tools(self):
        return [tool.name for tool in only_page(await self.client.list_tools()).tools]

    async def call(self, tool, arguments):
        return called(await self.client.call_tool(tool, arguments))

    async def resources(self):
        return [str(resource.uri) for resource in only_page(await self.client.list_resources()).resources]

    async def templates(self):
        page = only_page(await self.client.list_resource_templates())
        return [template.uriTemplate for template in page.resourceTemplates]

    async def read(self, uri):
        result = await self.client.read_resource(uri)
        return [(str(content.uri), content.mimeType, content.text) for content in result.contents]

    async def prompts(self):
        return [prompt.name for prompt in only_page(await self.client.list_prompts()).prompts]

    async def get(self, prompt, arguments):
        return messages(await self.client.get_prompt(prompt, arguments))

    async def complete(self, completion, argument):
        if "prompt" in completion:
            of = PromptReference(type="ref/prompt", name=completion["prompt"])
        else:
            of = ResourceTemplateReference(type="ref/resource", uri=completion["template"])
        return (await self.client.complete(of, argument)).completion.values


async def main():
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    async with streamablehttp_client(os.environ["MCP_URL"], headers=headers) as (read, write, _):
        async with ClientSession(read, write) as client:
            begun = await client.initialize()
            equal("revision", begun.protocolVersion, REVISION)
            count = await play(Asked(client, begun.serverInfo.name), session())
    print(f"{REVISION}: {count} tools called")


asyncio.run(main())
