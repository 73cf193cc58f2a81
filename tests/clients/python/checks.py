"""What the scripts that play the Python client share."""

# The revision that each mode has to arrive at.
REVISIONS = {"auto": "2026-07-28", "legacy": "2025-11-25"}


def equal(what, actual, expected):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r}, expected {expected!r}")
