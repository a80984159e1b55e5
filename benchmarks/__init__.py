"""How fast it is: `make bench`. `docs/performance.md` says what the figures mean and how they were made.

    measures/         one file a figure; a new file there is found by itself
    bench.py          what a measure is given: a database, servers started as `make run` starts them, a stand-in model
    provider.py       the stand-in for a model's provider, a process of its own
    action_server.py  an action server alone, without the product around it
    postgres.py       a PostgreSQL for the time of a measurement
    watching.py       clients of the sockets, in processes of their own
    inside.py         what has to be done inside the product: rows written, events appended; docker_starts.py is one of its orders
    probe.py          a person who looks at the server while it works
    tracing/          the agent's loop with a clock on each of its parts
    machine.py        the machine, a port of it, and the memory and CPU of processes on it
    figures.py        samples and what is said of them; report.py tells it; compare.py sets two commits side by side

Nothing here is imported by the product, and nothing leaves this machine.
"""
