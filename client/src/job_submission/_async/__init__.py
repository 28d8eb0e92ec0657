"""The client as it is written; `_sync` is generated from it, see `client/generate.py`."""
