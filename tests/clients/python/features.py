"""Shows what the official Python client can do besides the session: features.py auto|legacy FEATURE…

Wants MCP_URL, MCP_TOKEN and MCP_ADMIN_TOKEN; the server has the home conformance/ (see scripts/clients.sh).
"""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult, PromptListChangedNotification, ResourceUpdatedNotification

from checks import REVISIONS, equal
from tasks import Tasks

WATCHED = "test://watched-resource"


async def operate(method, path, definition=None):
    """Changes what the server serves, as its operator does."""
    server = os.environ["MCP_URL"].removesuffix("/mcp")
    headers = {"Authorization": f"Bearer {os.environ['MCP_ADMIN_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        (await http.request(method, server + path, json=definition)).raise_for_status()


@asynccontextmanager
async def connected(mode, **options):
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=None) as http:
        transport = streamable_http_client(os.environ["MCP_URL"], http_client=http)
        async with Client(transport, mode=mode, **options) as client:
            equal("revision", client.protocol_version, REVISIONS[mode])
            yield client


async def call(client, tool, arguments=None, **options):
    result = await client.call_tool(tool, arguments or {}, **options)
    equal(f"{tool}: is_error", result.is_error, False)
    return result.content[0].text


async def give_name(context, params):
    equal("question", params.message, "What is your name?")
    return ElicitResult(action="accept", content={"name": "Ada"})


class Player:
    """A client, and what the server tells it and asks it."""

    def __init__(self, mode):
        self.mode = mode
        self.notifications = asyncio.Queue()

    @asynccontextmanager
    async def connected(self):
        options = {"message_handler": self.notifications.put, "elicitation_callback": give_name}
        async with connected(self.mode, **options) as self.client:
            yield

    async def told(self, kind):
        """Waits for a notification of this kind."""
        while not isinstance(notification := await self.notifications.get(), kind):
            pass
        return notification

    @asynccontextmanager
    async def listening(self, **wanted):
        """Listens where the revision has the method for it."""
        if self.mode == "auto":
            async with self.client.listen(**wanted):
                yield
        else:
            yield

    async def subscription(self):
        async with self.listening(resource_subscriptions=[WATCHED]):
            if self.mode == "legacy":
                await self.client.subscribe_resource(WATCHED)
            content = {"text": f"Written by the operator of {os.getpid()}"}
            definition = {"name": "watched-resource", "uri": WATCHED, "contents": [content]}
            await operate("PUT", "/update-resource/watched-resource", definition)
            notification = await self.told(ResourceUpdatedNotification)
            equal("updated", notification.params.uri, WATCHED)
        read = await self.client.read_resource(WATCHED)
        equal(WATCHED, read.contents[0].text, content["text"])

    async def list_changed(self):
        # A session's lists are watched once its stream is open, which the update of a resource has shown before.
        async def has_prompt():
            return "added" in [prompt.name for prompt in (await self.client.list_prompts()).prompts]

        definition = {"name": "added", "arguments": [], "messages": [{"role": "user", "text": "Comes and goes"}]}
        equal("has the prompt", await has_prompt(), False)
        async with self.listening(prompts_list_changed=True):
            await operate("POST", "/add-prompt", definition)
            await self.told(PromptListChangedNotification)
            equal("has the added prompt", await has_prompt(), True)
            await operate("DELETE", "/remove-prompt/added")
            await self.told(PromptListChangedNotification)
            equal("has the removed prompt", await has_prompt(), False)

    async def elicitation(self):
        equal("greeting", await call(self.client, "test_input_required_result_elicitation"), "Hello, Ada!")

    async def progress(self):
        seen = asyncio.Queue()

        async def see(progress, total, message):
            await seen.put((progress, total))

        await call(self.client, "test_tool_with_progress", progress_callback=see)
        # The client may pass them on in another order.
        equal("progress", sorted([await seen.get() for _ in range(3)]), [(0, 100), (50, 100), (100, 100)])

    async def cancellation(self):
        begun = asyncio.Event()

        async def see(progress, total, message):
            begun.set()

        slow = asyncio.create_task(call(self.client, "slow_compute", {"seconds": 3000}, progress_callback=see))
        await begun.wait()
        slow.cancel()
        await asyncio.wait([slow])
        equal("cancelled", slow.cancelled(), True)
        # The server has one place for calls, which is free again.
        await call(self.client, "test_simple_text")

    async def task(self):
        # Of its own, since the server makes a task of any slow call of a client that has them.
        tasks = Tasks({"action": "accept", "content": {"confirm": True}})
        async with connected(self.mode, extensions=[tasks], elicitation_callback=give_name) as client:
            equal("task", await call(client, "confirm_delete", {"filename": "a"}), "The answer is true.")
        equal("asked by the task", "input_required" in tasks.statuses, True)
        equal("last status", tasks.statuses[-1], "completed")


async def main(mode, features):
    player = Player(mode)
    async with player.connected():
        for feature in features:
            await getattr(player, feature)()
    print(f"{REVISIONS[mode]}: {' '.join(features)}")


asyncio.run(main(sys.argv[1], sys.argv[2:]))
