"""Does to a server what an operator does, and holds each answer against the document.

    session.py URL DOCUMENT MODULE

The token is in WASIMANCER_ADMIN_TOKEN; the module exports GenerateCharacterName. Run by scripts/openapi.sh.
"""

import json
import os
import pathlib
import sys
from urllib.parse import quote

import requests
import schemathesis
from schemathesis.specs.openapi import checks

URL, DOCUMENT, MODULE = sys.argv[1:]
TOKEN = os.environ["WASIMANCER_ADMIN_TOKEN"]
WASM = pathlib.Path(MODULE).read_bytes()
SCHEMA = schemathesis.openapi.from_path(DOCUMENT)
CHECKS = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)
# Routes that the document does not hold.
OTHERS = [("GET", "/openapi.json")] + [
    ("DELETE", f"/{verb}-{kind}{slash}")
    for verb, kind in (
        ("remove", "plugin"),
        ("rollback", "plugin"),
        ("update", "resource"),
        ("remove", "resource"),
        ("update", "prompt"),
        ("remove", "prompt"),
    )
    for slash in ("", "/")
]

made = 0


def do(operation, status, code=None, *, name=None, query=None, headers=None, **body):
    """Makes a request and answers the answer, which must be this one, and as the document has it."""
    global made
    made += 1
    method, path = operation.split()
    headers = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
    case = SCHEMA[path][method].Case(path_parameters={"name": quote(name, safe="")} if name else {}, query=query or {})
    response = case.call(base_url=URL, headers=headers, **body)
    case.validate_response(response, checks=CHECKS)
    answer = response.json()
    found = (response.status_code, answer.get("code"))
    assert found == (status, code), f"{operation}: {found} and not {(status, code)}: {response.text}"
    assert ("etag" in response.headers) == (status in (200, 412)), f"{operation}: {response.headers}"
    return answer


def form(version="1.0.0", name="names", tool="invent", file="names.wasm", wasm=WASM, **more):
    """The body of an upload."""
    function = {"function": "GenerateCharacterName", "displayName": tool, "arguments": []}
    definition = {"name": name, "version": version, "functions": [function], **more}
    return {"wasmFile": (file, wasm, "application/wasm"), "pluginData": (None, json.dumps(definition))}


def numbers(name):
    versions = do("GET /plugins/{name}/versions", 200, name=name)["versions"]
    return [(version["number"], version["version"], version["served"]) for version in versions]


def check_tokens():
    """No route answers without the token, whatever is asked of it."""
    global made
    routes = [(method.upper(), path) for path in SCHEMA for method in SCHEMA[path]] + OTHERS
    wrong = (None, "", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}")
    for method, path in routes:
        for value in wrong:
            made += 1
            headers = {} if value is None else {"Authorization": value}
            response = requests.request(method, URL + path, headers=headers, data=b"{}", timeout=60)
            found = (response.status_code, response.headers["content-type"], response.json())
            wanted = {"error": "😡 Unauthorized", "code": "unauthorized"}
            assert found == (403, "application/json", wanted), f"{method} {path} with {value!r}: {found}"


def check_other_routes():
    """A route without the name that it wants says so; the document is there."""
    global made
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for method, path in OTHERS:
        made += 1
        response = requests.request(method, URL + path, headers=headers, timeout=60)
        if path == "/openapi.json":
            assert response.json() == json.loads(pathlib.Path(DOCUMENT).read_text()), "the document is not the same"
        else:
            assert (response.status_code, response.json()["code"]) == (400, "missing_name"), f"{path}: {response.text}"


def check_plugins():
    """A plugin is published, updated, rolled back and removed, and everything that can be wrong with it refused."""
    upload, update, roll_back = "POST /upload-plugin", "PUT /update-plugin", "POST /rollback-plugin/{name}"
    show, remove = "GET /plugins/{name}", "DELETE /remove-plugin/{name}"
    name = "names / ñ"
    before = {plugin["name"] for plugin in do("GET /plugins", 200)["plugins"]}

    dry = do(upload, 200, files=form(name=name), query={"dryRun": "true"})
    assert dry["dryRun"] and dry["changes"]["tools"] == {"added": ["invent"], "removed": [], "altered": []}, dry
    do(show, 404, "not_found", name=name)
    published = do(upload, 200, files=form(name=name), query={"dir": "a/b"})
    assert published["filePath"] == "./bucket/a/b/names.wasm", published
    assert published["metadata"]["name"] == name and "dryRun" not in published, published
    do(upload, 400, "name_taken", files=form(name=name))
    do(upload, 400, "tool_name_taken", files=form(name="others"))
    shown = do(show, 200, name=name)
    assert (shown["state"], shown["tools"], shown["exports"]) == ("served", ["invent"], ["GenerateCharacterName"]), shown

    assert "warnings" not in do(update, 200, files=form("2.0.0", name=name))
    assert do(update, 200, files=form("2.0.0", name=name))["unchanged"]
    assert do(update, 200, files=form("1.9.0", name=name), query={"dryRun": "true"})["warnings"]
    assert numbers(name) == [(1, "1.0.0", False), (2, "2.0.0", True)], numbers(name)

    revision = requests.get(f"{URL}/plugins", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60).headers["etag"]
    assert do(roll_back, 200, name=name, headers={"If-Match": revision})["version"] == "1.0.0"
    do(roll_back, 412, "revision_changed", name=name, headers={"If-Match": revision})
    do(roll_back, 404, "unknown_version", name=name)
    do(roll_back, 404, "unknown_version", name=name, query={"to": "3"})
    assert do(roll_back, 200, name=name, query={"to": "2.0.0"})["version"] == "2.0.0"
    do(roll_back, 404, "not_found", name="nobody")
    assert numbers(name) == [(1, "1.0.0", False), (2, "2.0.0", True)], numbers(name)

    do(upload, 400, "not_multipart", data=b"{}")
    do(upload, 400, "missing_part", files={"pluginData": (None, "{}")})
    do(upload, 400, "missing_part", files={"wasmFile": form()["wasmFile"]})
    do(upload, 400, "malformed_json", files={**form(), "pluginData": (None, "{")})
    do(upload, 400, "invalid_definition", files={**form(), "pluginData": (None, '{"name": "x"}')})
    do(upload, 400, "invalid_file_name", files=form(file="names.txt"))
    do(upload, 400, "outside_folder", files=form(), query={"dir": "../.."})
    do(upload, 400, "outside_folder", files=form(path="../../names.wasm"))
    do(upload, 400, "invalid_url", files=form(), query={"dryRun": "perhaps"})
    do(upload, 500, "invalid_module", files=form(tool="other", wasm=b"no module"))
    do(upload, 413, "too_large", files={**form(), "pluginData": (None, b" " * (1024 * 1024 + 1))})
    do(update, 500, "not_found", files=form(name="nobody"))
    do(remove, 500, "not_found", name="nobody")

    do(remove, 200, name=name, query={"dryRun": "true"})
    do(remove, 200, name=name)
    do(show, 404, "not_found", name=name)
    after = {plugin["name"] for plugin in do("GET /plugins", 200)["plugins"]}
    assert after == before, after ^ before


def check_data():
    """A resource and a prompt are added, updated and removed; a resource changes its kind."""
    static = {"name": "a guest", "uri": "guest://one", "contents": [{"text": "Hello"}]}
    dynamic = {**static, "uri": "guest://{name}", "arguments": [{"name": "name"}], "contents": [{"text": "${name}"}]}
    prompt = {"name": "a guest", "arguments": [], "messages": [{"role": "user", "text": "Hello"}]}
    for kind, one, other in (("resource", static, dynamic), ("prompt", prompt, {**prompt, "title": "Hello"})):
        add, update, remove = f"POST /add-{kind}", f"PUT /update-{kind}/{{name}}", f"DELETE /remove-{kind}/{{name}}"
        do(add, 200, json=one, query={"dryRun": "true"})
        assert do(add, 200, json=one)[kind] == one
        do(add, 400, "name_taken", json=one)
        assert one["name"] in {entry["name"] for entry in do(f"GET /{kind}s", 200)[f"{kind}s"]}
        updated = do(update, 200, name="a guest", json=other)
        if kind == "resource":
            assert (updated["oldType"], updated["newType"]) == ("static", "dynamic"), updated
        do(update, 400, "name_mismatch", name="a guest", json={**one, "name": "another"})
        do(update, 404, "not_found", name="nobody", json={**one, "name": "nobody"})
        do(add, 400, "malformed_json", data=b"{")
        do(add, 400, "invalid_definition", json=[])
        do(add, 413, "too_large", data=b" " * (4 * 1024 * 1024 + 1))
        do(remove, 200, name="a guest")
        do(remove, 404, "not_found", name="a guest")


check_tokens()
check_other_routes()
check_plugins()
check_data()
print(f"session: {made} requests answered as documented")
