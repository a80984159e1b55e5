"""Finding and killing trees of processes."""

import os
import signal
import subprocess
import sys

from sandboxes.action_server.children import kill_tree, processes, tree

from .conftest import ROOT, eventually, is_alive


def test_the_server_adopts_orphans_and_hides_its_memory() -> None:
    script = (
        "import ctypes; from sandboxes.action_server import children; children.adopt_orphans_and_hide_memory();"
        "libc = ctypes.CDLL(None); adopts = ctypes.c_int(); libc.prctl(37, ctypes.byref(adopts), 0, 0, 0);"
        "print(libc.prctl(3, 0, 0, 0, 0), adopts.value)"
    )
    printed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True).stdout
    assert printed.split() == [b"0", b"1"]


def test_a_tree_holds_all_descendants_and_nothing_else() -> None:
    child = subprocess.Popen(["bash", "-c", "sleep 300 & sleep 300; true"])
    try:
        assert eventually(lambda: len(tree([child.pid], processes())) == 3)
        assert os.getpid() not in tree([child.pid], processes())
        assert tree([2**22 + 1], processes()) == {}
    finally:
        kill_tree([child.pid])
        assert child.wait(10) == -signal.SIGKILL


def test_killing_a_tree_leaves_no_descendant_even_when_it_forks_on_and_on() -> None:
    forks = "f() { (sleep 0.01; f) & (sleep 0.01; exec sleep 300) & wait; }; trap '' TERM; f"
    child = subprocess.Popen(["bash", "-c", forks])
    assert eventually(lambda: len(tree([child.pid], processes())) > 6)
    seen = tree([child.pid], processes())
    kill_tree([child.pid])
    assert child.wait(10) == -signal.SIGKILL
    assert eventually(lambda: not any(map(is_alive, seen)))
