"""The one program of ours inside a sandbox: it carries out actions and answers over HTTP.

It speaks `sandboxes.protocol`, is written in Python 3.9's language and needs nothing but aiohttp, so that
it can be copied into any image. `python -m sandboxes.action_server --help` says how to start it.
"""
