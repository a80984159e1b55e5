"""Starts the action server without bubblewrap; run as a file, by its path, before there is any package.

    python -IS launcher.py CODE LIBRARIES UID [arguments of the action server]

CODE is the folder that holds the package `sandboxes`. With a UID that is not -, the process becomes that user for
good, with no capability left. The server's modules are loaded before that, for the interpreter may live where only
root can read, such as /root. Privileges can never be gained again, with or without a UID.
"""

import ctypes
import os
import sys

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES = 64


def main() -> None:
    code, libraries, uid = sys.argv[1:4]
    del sys.argv[1:4]
    sys.path[:0] = [code, libraries]
    # Modules that would else be loaded at their first use.
    import encodings.idna  # noqa: F401

    import sandboxes.action_server.__main__ as server

    _drop_privileges(None if uid == "-" else int(uid))
    try:
        os.scandir(os.getcwd()).close()
    except OSError as error:
        sys.exit(
            f"The sandbox's user {uid} cannot reach its folder {os.getcwd()} ({error.strerror}): set OPENHANDS_HOME to "
            "a folder below one that every user may enter, such as /var/lib/openhands, or install bubblewrap."
        )
    server.main()


def _drop_privileges(uid: int | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if uid is not None:
        for capability in range(_CAPABILITIES):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for those that the kernel does not know
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit("This kernel cannot forbid new privileges.")


if __name__ == "__main__":
    main()
