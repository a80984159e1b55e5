"""Runs a program that ends when its parent does, however that ends: `die_with_parent.py PARENT-PID PROGRAM…`.

The kernel does it (Linux; elsewhere nothing does, and the next start ends what was left). This is a program of
its own, put in front, because code between fork and exec is not safe in a process with threads.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(sys.argv[1]):  # it ended before we asked
            sys.exit(1)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is the point
