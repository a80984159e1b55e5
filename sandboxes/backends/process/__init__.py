"""Sandboxes as process trees on this machine.

backend      the contract
isolation    what keeps them in on this machine, found out by trying it
bubblewrap   its command line: a pure function
cgroups      limits of memory, CPU and processes
users        a user id of its own for each
places       the folder of a sandbox, and what is kept beside it
interpreter  what an action server needs to run, and its command line
launcher     what that command line runs first where there is no bubblewrap
proc         a sandbox's processes as /proc shows them, and their end
"""
