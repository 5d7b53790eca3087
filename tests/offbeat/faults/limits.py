"""Limits of the machine, for a process that runs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess

import pytest

OTHER_USER = ["setpriv", "--reuid=65534", "--clear-groups"]
CAPABILITIES = ["--inh-caps=+dac_read_search,+dac_override", "--ambient-caps=+dac_read_search,+dac_override"]

needs_prlimit = pytest.mark.skipif(
    not shutil.which("prlimit"), reason="here is no prlimit to limit another process"
)


class ProcessLimit:
    """How many processes and threads those of a stack may have, which starts them as another user: root may have any number."""

    def __init__(self, stack):
        usual, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        self.usual = "unlimited" if usual == resource.RLIM_INFINITY else usual
        self.as_other = OTHER_USER if os.geteuid() == 0 else []
        if self.as_other:
            stack.folder.chmod(0o777)
            start = stack.start
            stack.start = lambda name, command, **environment: start(
                name, [*OTHER_USER, *CAPABILITIES, *command], **environment
            )

    def reach(self, pid):
        """Let it start no more; what it has goes on."""
        self._set(pid, 1)

    def lift(self, pid):
        self._set(pid, self.usual)

    def _set(self, pid, number):
        subprocess.run([*self.as_other, "prlimit", f"--pid={pid}", f"--nproc={number}:"], check=True)
