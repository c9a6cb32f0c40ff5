"""The commands, a file each; `cli.py` loads the one that is called."""
