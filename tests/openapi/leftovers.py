"""Removes every plugin of a server, and fails where anything of what was published is still on the disk.

    leftovers.py URL HOME

The token is in WASIMANCER_ADMIN_TOKEN. Run by scripts/openapi.sh.
"""

import os
import pathlib
import sys
import urllib.parse

import requests

URL, HOME = sys.argv[1:]
SESSION = requests.Session()
SESSION.headers["Authorization"] = f"Bearer {os.environ['WASIMANCER_ADMIN_TOKEN']}"


def files(pattern):
    return sorted(str(path) for path in pathlib.Path(HOME).glob(pattern) if path.is_file())


def call(method, path):
    response = SESSION.request(method, URL + path, timeout=60)
    assert response.status_code == 200, f"{method} {path}: {response.status_code} {response.text}"
    return response.json()


plugins = call("GET", "/plugins")["plugins"]
quarantined = [plugin["name"] for plugin in plugins if plugin["state"] != "served"]
for kind in ("resources", "prompts"):
    quarantined += [entry["name"] for entry in call("GET", f"/{kind}")["quarantined"]]
assert not quarantined, f"quarantined: {quarantined}"
temporary = files("**/.wasimancer-*")
assert not temporary, f"temporary files: {temporary}"

for plugin in plugins:
    call("DELETE", "/remove-plugin/" + urllib.parse.quote(plugin["name"], safe=""))
kept = files("plugins/bucket/**/*")
assert not kept, f"files of plugins that are gone: {kept}"
print(f"leftovers: none; {len(plugins)} plugins removed with their modules and versions")
