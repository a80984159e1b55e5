"""How fast it is: `make bench`. `docs/performance.md` says what the figures mean and how they were made.

    measures/     one file a figure; a new file there is found by itself
    bench.py      what a measure is given: a database, servers started as `make run` starts them, a stand-in model
    provider.py   the stand-in for a model's provider, a process of its own
    watching.py   clients of the sockets, in processes of their own
    inside.py     what has to be done inside the product: rows written, events appended
    figures.py    samples and what is said of them; report.py tells it; compare.py sets two commits side by side

Nothing here is imported by the product, and nothing leaves this machine.
"""
