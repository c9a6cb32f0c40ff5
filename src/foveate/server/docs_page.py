"""The routes as plain HTML, made from our OpenAPI; it asks for nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Foveate: routes</title><link rel="stylesheet" href="page/page.css"></head>
<body><main><h1>Routes</h1>
<p>This page for programs: <a href="openapi.json">openapi.json</a>.
The page for people: <a href="./">translate and look</a>.</p>
"""


def render_docs(schema: dict[str, Any]) -> str:
    """Return a page that lists routes, fields and answers."""
    parts = [
        part
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        for part in _render_operation(path, method, operation, schema)
    ]
    return HEAD + "\n".join(parts) + "\n</main></body></html>\n"


def _render_operation(
    path: str, method: str, operation: dict[str, Any], schema: dict[str, Any]
) -> Iterator[str]:
    yield f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
    yield f"<p>{escape(operation.get('summary', ''))}</p>"
    content = operation.get("requestBody", {}).get("content", {})
    for described in content.values():
        reference = described.get("schema", {}).get("$ref", "")
        yield from _render_fields(schema["components"]["schemas"][reference.rpartition("/")[2]])
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer.get('description', ''))}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    yield f"<table><tr><th>Status</th><th>Meaning</th></tr>{rows}</table>"


def _render_fields(model: dict[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>Field</th><th>Kind</th><th>Meaning</th></tr>"
    for name, field in model.get("properties", {}).items():
        meaning = escape(field.get("description", ""))
        yield f"<tr><td><code>{escape(name)}</code></td><td>{_say_kind(field)}</td>"
        yield f"<td>{meaning}</td></tr>"
    yield "</table>"


def _say_kind(field: dict[str, Any]) -> str:
    kinds = [field, *field.get("anyOf", ())]
    names = [kind.get("type") or kind.get("$ref", "").rpartition("/")[2] for kind in kinds]
    return escape(" or ".join(name for name in names if name and name != "null"))
