"""Plays the session of a file with any client, behind the few methods that it is asked through."""

import dataclasses
import json
import os
import re

from checks import equal


@dataclasses.dataclass
class Called:
    """What the call of a tool has come to."""

    is_error: bool
    kinds: list
    text: str
    structured: object


def session():
    with open(os.environ["MCP_SESSION"], encoding="utf-8") as file:
        return json.load(file)


def field(value, name):
    """A field as the official client has it since version 2, or as the one before has it."""
    if hasattr(value, name):
        return getattr(value, name)
    first, *others = name.split("_")
    return getattr(value, first + "".join(word.capitalize() for word in others))


def called(result):
    is_error, structured = field(result, "is_error"), field(result, "structured_content")
    return Called(bool(is_error), [content.type for content in result.content], result.content[0].text, structured)


def only_page(page):
    equal("next_cursor", field(page, "next_cursor"), None)
    return page


def reference(completion):
    try:
        from mcp_types import PromptReference, ResourceTemplateReference
    except ImportError:
        from mcp.types import PromptReference, ResourceTemplateReference

    if "prompt" in completion:
        return PromptReference(type="ref/prompt", name=completion["prompt"])
    return ResourceTemplateReference(type="ref/resource", uri=completion["template"])


class Asked:
    """The official client of either version, as the session asks it."""

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
        return [field(template, "uri_template") for template in field(page, "resource_templates")]

    async def read(self, uri):
        result = await self.client.read_resource(uri)
        return [(str(content.uri), field(content, "mime_type"), content.text) for content in result.contents]

    async def prompts(self):
        return [prompt.name for prompt in only_page(await self.client.list_prompts()).prompts]

    async def get(self, prompt, arguments):
        return messages(await self.client.get_prompt(prompt, arguments))

    async def complete(self, completion, argument):
        return (await self.client.complete(reference(completion), argument)).completion.values


def check_call(call, result):
    what = f"{call['tool']} {call['arguments']}"
    equal(f"{what}: is_error", result.is_error, "error" in call)
    equal(f"{what}: kinds of content", result.kinds, ["text"])
    if "text" in call:
        equal(what, result.text, call["text"])
    elif "structured" in call:
        equal(what, result.structured, call["structured"])
        equal(f"{what}: text", json.loads(result.text), call["structured"])
    else:
        pattern = re.escape(call["error"]) if "error" in call else call["pattern"]
        if not re.search(pattern, result.text):
            raise AssertionError(f"{what}: {result.text!r}, expected {pattern!r}")


async def play_tools(client, played):
    """Checks the tools that the client sees, and answers how many different ones were called."""
    equal("tools", await client.tools(), played["tools"])
    for call in played["calls"]:
        check_call(call, await client.call(call["tool"], call["arguments"]))
    names = {call["tool"] for call in played["calls"]}
    equal("tools called", names, set(played["tools"]))
    return len(names)


async def play(client, played):
    """The same with resources, prompts and completions."""
    equal("server", client.server, played["server"])
    count = await play_tools(client, played)

    equal("resources", await client.resources(), played["resources"])
    equal("templates", await client.templates(), played["templates"])
    for read in played["reads"]:
        expected = [(read["uri"], content.get("mimeType"), content["text"]) for content in read["contents"]]
        equal(read["uri"], await client.read(read["uri"]), expected)

    equal("prompts", await client.prompts(), played["prompts"])
    for get in played["gets"]:
        equal(get["prompt"], await client.get(get["prompt"], get["arguments"]), get["messages"])

    for completion in played["completions"]:
        argument = {"name": completion["argument"], "value": completion["value"]}
        values = await client.complete(completion, argument)
        equal(f"completion {argument}", values, completion["values"])
    return count


def messages(result):
    return [{"role": message.role, "text": message.content.text} for message in result.messages]
