"""The registry of methods: each is a file here that defines `METHOD`.

It can be read without torch, so that planning a study stays fast; the terms import it when they are called.
"""

from __future__ import annotations

from importlib import import_module

from nemo.methods.method import Method, Setting, Terms

__all__ = ["METHODS", "Method", "Setting", "Terms"]

_FILES = (
    "standard",
    "mwt",
    "nemo",
    "moda",
    "cnnsplitter",
)
METHODS: dict[str, Method] = {name: import_module(f"nemo.methods.{name}").METHOD for name in _FILES}
