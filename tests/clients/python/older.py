"""Plays the session with the official Python client before version 2.

Wants MCP_URL, MCP_TOKEN and MCP_SESSION (see scripts/clients.sh).
"""

import asyncio
import os

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from checks import equal
from session import Asked, play, session

REVISION = "2025-11-25"


async def main():
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    async with streamablehttp_client(os.environ["MCP_URL"], headers=headers) as (read, write, _):
        async with ClientSession(read, write) as client:
            begun = await client.initialize()
            equal("revision", begun.protocolVersion, REVISION)
            count = await play(Asked(client, begun.serverInfo.name), session())
    print(f"{REVISION}: {count} tools called")


asyncio.run(main())
