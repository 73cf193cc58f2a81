"""Plays the session with the official Python client: client.py auto|legacy [COMMAND…].

With a command it starts that server and speaks to it on standard input and output. Else it wants MCP_URL and MCP_TOKEN.
Both want MCP_SESSION, the file of the session (see scripts/clients.sh).
"""

import asyncio
import os
import sys

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from checks import REVISIONS, equal
from session import Asked, play, session


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


async def play_with(transport, mode, played):
    async with Client(transport, mode=mode) as client:
        equal("revision", client.protocol_version, REVISIONS[mode])
        return await play(Asked(client, client.server_info.name), played)


async def over_http(mode, played):
    url = os.environ["MCP_URL"]
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        called = await play_with(streamable_http_client(url, http_client=http), mode, played)
    await check_refusal(url, mode)
    return called


async def over_stdio(mode, played, command):
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    return await play_with(stdio_client(server), mode, played)


async def main(mode, *command):
    played = session()
    if command:
        called = await over_stdio(mode, played, command)
    else:
        called = await over_http(mode, played)
    print(f"{REVISIONS[mode]}: {called} tools called")


asyncio.run(main(*sys.argv[1:]))
