"""The shelves on which the help of every command puts its options."""

from __future__ import annotations

from cyclopts import Group

ESSENTIAL = Group("Essential", sort_key=1)
FURTHER = Group("Further", sort_key=2)  # of the command itself, shown by --help-all
