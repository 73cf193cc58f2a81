"""The extension of tasks for the official Python client, which has none of its own but takes them (`extensions`)."""

import asyncio
from typing import Any, Literal

from mcp.client import ClientExtension
from mcp.client.extension import ResultClaim
from mcp_types import CallToolResult, EmptyResult, Request, Result


class CreatedTask(Result):
    """What a call is answered with that goes on as a task."""

    result_type: Literal["task"]
    task_id: str


class Task(Result):
    """How far a task has come."""

    status: str
    poll_interval_ms: int
    input_requests: dict[str, Any] = {}
    result: dict[str, Any] | None = None


class TaskRequest(Request[dict[str, Any], str]):
    name_param = "taskId"


class Tasks(ClientExtension):
    """Polls a task to its end, answers what it asks, and keeps the statuses that it saw."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self, answer):
        self.answer = answer
        self.statuses = []

    def claims(self):
        return [ResultClaim(result_type="task", model=CreatedTask, resolve=self.resolve)]

    async def resolve(self, created, context):
        async def send(method, result_type, **params):
            request = TaskRequest(method=method, params={"taskId": created.task_id, **params})
            return await context.session.send_request(request, result_type)

        while True:
            task = await send("tasks/get", Task)
            self.statuses.append(task.status)
            if task.status == "input_required":
                answers = {key: self.answer for key in task.input_requests}
                await send("tasks/update", EmptyResult, inputResponses=answers)
            elif task.status == "working":
                await asyncio.sleep(task.poll_interval_ms / 1000)
            elif task.status == "completed":
                return CallToolResult.model_validate(task.result)
            else:
                raise AssertionError(f"the task is {task.status}")
