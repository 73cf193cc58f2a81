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


def called(result):
    """The result of a call as the official client before 2 has it, or as the one since then has it."""
    is_error = result.is_error if hasattr(result, "is_error") else result.isError
    structured = result.structured_content if hasattr(result, "structured_content") else result.structuredContent
    return Called(bool(is_error), [content.type for content in result.content], result.content[0].text, structured)


def only_page(page):
    cursor = page.next_cursor if hasattr(page, "next_cursor") else page.nextCursor
    equal("next_cursor", cursor, None)
    return page


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
