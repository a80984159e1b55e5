"""The agent's loop with a clock on each of its parts: settings and an app that a measured server is started with.

The product knows nothing of it: `settings` adds the app, and the app puts the clocks on in the agent's worker.
"""
