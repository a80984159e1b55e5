"""Sandboxes as containers of a Docker engine on this machine.

backend       the contract
booting       from a container to an action server that answers
containers    names, labels and the container's description: pure functions
engine        the connection, and what its errors mean
network       the bridge that sandboxes share, and whether it keeps them from this machine's own ports
firewall      the rules that do
images        which image a sandbox starts from, and whether it is there
building      making and pulling images, with progress
deriving      making a sandbox of a user's image
own_image     making ours
leftovers     what was left by whoever died amid a start
uninstalling  taking all that is an installation's from the engine

The modules import Docker's SDK, which takes 0.2 s; nothing that a web server loads at its start imports them.
"""
