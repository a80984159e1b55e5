"""A bash that stays: how it is started, how it is given a command, and what it runs around each one.

The shell is interactive, because only an interactive bash survives everything a command can do to it:
a failed expansion, an unbound variable, Ctrl-C in a loop. A command is not typed, for a terminal cuts a
line at 4,095 bytes: it is put into a file, and what is typed is a short line that sources it. So the
terminal stays the command's standard input.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Callable, Mapping

from .children import Children
from .errors import ToolError
from .pseudoterminal import PseudoTerminal

# Sourced at the start. The end of a command is reported by the line that runs it and, where Ctrl-C or an
# error threw that line away, by PROMPT_COMMAND; `__openhands` is the command's number, 0 once reported.
# - A command may have left us another standard input (`exec </dev/null`): its end would be the shell's.
# - Typed input that the command left unread must not be taken for commands, so it is read away.
# - `set -e` would end the shell at the next failure, -x and -v would show what is ours: all three are
#   switched off between commands, and -x on again by `Shell.run`.
# - PS1 is not empty, which scripts take for "not interactive", but prints nothing.
# - When `set -e` ends the shell, all that can be carried over goes into the file `saved`.
# - An unfinished `$(` leaves bash 5.2 with a broken parser, which writes beside its memory at the next line: the shell
#   aborts then or later. So a new bash takes its place before it reads one, with all that can be carried over.
_START = r"""
if [ -f ~/.bashrc ]; then . ~/.bashrc; fi
if [ -f {folder}/saved ]; then . {folder}/saved; command rm -f {folder}/saved; fi 2>/dev/null
[[ ${{__openhands_directory-}} ]] || __openhands_directory={directory}
cd -- "$__openhands_directory" 2>/dev/null || cd -- {workspace}
unset __openhands_directory
set +evx +o history +H
unset HISTFILE
__openhands=0
__openhands_end() {{
  local __openhands_status=$? __openhands_options=$-
  set +evx
  PS1='\[\]' PS2=
  [[ $__openhands == 0 ]] && return
  [[ -t 0 ]] || exec </dev/tty
  if [[ -t 0 ]]; then
    while builtin read -t 0; do builtin read -r -t 0.1 REPLY || break; done
  fi
  [[ ${{PROMPT_COMMAND-}} == *__openhands_end* ]] || PROMPT_COMMAND="{end}; ${{PROMPT_COMMAND-}}"
  if [[ $__openhands_status == 2 ]] && LC_ALL=C {bash} -n {folder}/$__openhands 2>&1 | command grep -q "\`)'"; then
    __openhands_directory=$PWD
    __openhands_save
  fi
  builtin printf '%s\0' end "$__openhands" "$__openhands_status" "$PWD" "$__openhands_options" >|{folder}/reports
  [[ ${{__openhands_directory-}} ]] && exec {bash} {options} </dev/tty >/dev/tty 2>&1
  __openhands=0
  return "$__openhands_status"
}}
__openhands_save() {{
  {{ builtin declare -p; builtin declare -f; builtin alias -p; }} >|{folder}/saved
}}
__openhands_exit() {{
  builtin printf '%s\0' exit "$__openhands" "$?" "$PWD" "$-" >|{folder}/reports
  case $- in *e*) __openhands_save ;; esac
}}
PROMPT_COMMAND='{end}'
trap '{{ __openhands_exit; }} 2>/dev/null' EXIT
PS1='\[\]' PS2=
"""
_END = "{ __openhands_end; } 2>/dev/null"


def commands_environment(given: Mapping[str, str]) -> dict[str, str]:
    """What commands find: what we were given, without what is ours, and no pager to get stuck in.

    TERM is xterm-256color and not dumb: vim, top and less then run, and what they draw with is taken out
    of the text for the model anyway.
    """
    environment = {
        name: value
        for name, value in given.items()
        if not name.startswith("OPENHANDS_") and name not in ("PYTHONPATH", "PS1", "PROMPT_COMMAND")
    }
    environment.update(
        TERM="xterm-256color", PAGER="cat", GIT_PAGER="cat", MANPAGER="cat", SYSTEMD_PAGER="cat"
    )
    return environment


class Shell:
    """One bash process on `terminal`; `folder` holds its private files, among them the FIFO `reports`."""

    def __init__(
        self, children: Children, terminal: PseudoTerminal, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._children = children
        self._terminal = terminal
        self._folder = folder
        self._environment = environment
        self._last_command = 0
        self.pid = 0

    def start(self, directory: str, workspace: str, on_exit: Callable[[int], None]) -> None:
        """Start bash in `directory`, or in the workspace where that is gone. Raises ToolError."""
        bash = shutil.which("bash", path=self._environment.get("PATH", os.defpath))
        if bash is None:
            raise ToolError("There is no bash in this sandbox, so the terminal cannot be used.")
        start = self._folder / "start"
        options = ["--noprofile", "--rcfile", str(start), "--noediting", "-i"]
        text = _START.format(
            folder=shlex.quote(str(self._folder)),
            directory=shlex.quote(directory),
            workspace=shlex.quote(workspace),
            end=_END,
            bash=shlex.quote(bash),
            options=shlex.join(options),
        )
        try:
            start.write_bytes(text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise _explained(error) from error
        self._terminal.make_sane()
        self.pid = self._children.spawn([bash, *options], self._environment, self._terminal.path, on_exit)

    def run(self, command: str, options: str) -> int:
        """Have the shell, which must be idle, run `command`; returns the command's number.

        `options` are those that the shell had at the end of the command before.
        """
        number = self._last_command + 1
        prefix = "set -x; " if "x" in options else ""
        try:
            # The last command's file, which has been read, is written over: for that there is room on a full disk,
            # too, so that what takes too much of it can be removed.
            with suppress(FileNotFoundError):
                os.rename(self._file(self._last_command), self._file(number))
            with open(
                os.open(self._file(number), os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, 0o600), "wb"
            ) as file:
                file.write((prefix + command + "\n").encode())
                file.truncate()
        except OSError as error:
            raise _explained(error) from error
        self._last_command = number
        self._terminal.make_sane()
        # The number is assigned within a word, because an assignment of its own would reset `$?`.
        folder = shlex.quote(str(self._folder))
        line = f"\\. {folder}/$((__openhands={number})); {_END}\n"
        self._terminal.type_line(os.fsencode(line))
        return number

    def _file(self, number: int) -> Path:
        return self._folder / str(number)


def _explained(error: OSError) -> ToolError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ToolError(
            "The command did not run, for there is no space left on the disk. Remove what is not needed: a short "
            "command may still run in a session that has been used before."
        )
    return ToolError(f"This session is broken, for its files are gone ({error}). Use another.")
