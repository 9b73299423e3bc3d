"""What a module's source tells of itself, and how it is made ready to be changed: text in, text out."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

_TAKEN_OFF = {"contextmanager", "property", "cached_property", "lru_cache"}
"""The decorators that do as well when they are called after the function as when they stand before it."""

_LEFT_ON = {("classmethod",), ("staticmethod",)}
"""The decorators, each by itself, that mutmut knows how to change a function under."""


def undecorated(source: str) -> str:
    """Return a module's source with its decorators called after the functions that they stood before.

    mutmut leaves a function alone that has a decorator: ``@property`` before ``def day`` becomes
    ``day = property(day)`` after it.
    """
    lines = source.splitlines(keepends=True)
    for _, function in reversed(list(_functions(source))):
        if function.decorator_list and _is_taken_off(function):
            lines.insert(function.end_lineno or 0, _called(function))
            del lines[function.decorator_list[0].lineno - 1 : function.lineno - 1]
    return "".join(lines)


def left_alone(source: str) -> dict[str, str]:
    """Return the functions that stay as they are all the same, each with its decorators."""
    return {
        name: ", ".join(map(ast.unparse, function.decorator_list))
        for name, function in _functions(source)
        if not _is_taken_off(function) and tuple(map(_name, function.decorator_list)) not in _LEFT_ON
    }


def fingerprint(source: str) -> str:
    """Return what stays the same as long as nothing but comments, docstrings and line breaks change."""
    tree = _Wordless().visit(ast.parse(source))
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:12]


class _Wordless(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def _functions(source: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Find the functions that mutmut changes: a module's own, and those of its classes."""
    for node in ast.parse(source).body:
        inside, prefix = (node.body, f"{node.name}.") if isinstance(node, ast.ClassDef) else ([node], "")
        for function in inside:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + function.name, function


def _is_taken_off(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return _TAKEN_OFF.issuperset(map(_name, function.decorator_list))


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _called(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    call = function.name
    for decorator in reversed(function.decorator_list):
        call = f"{ast.unparse(decorator)}({call})"
    return f"{' ' * function.col_offset}{function.name} = {call}\n"
