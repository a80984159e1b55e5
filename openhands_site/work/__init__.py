"""The work at hand, for operators: what is held, due, open or without an owner, and what may safely be done."""
