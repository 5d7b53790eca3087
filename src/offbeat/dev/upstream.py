"""The repository that newer cores come from: a bare copy in .local/, so that the fork needs no remote and no shared history."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from offbeat.base import VERSION_FILE
from offbeat.dev.git import GitError, git

if TYPE_CHECKING:
    from pathlib import Path

    from offbeat.base import Base

COPY = ".local/upstream.git"
VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


class UpstreamError(Exception):
    """Upstream has not what was asked for; nothing has been changed. Its second argument is the exit code."""


class Upstream:
    """What upstream has."""

    def __init__(self, root: Path, address: str) -> None:
        self.root = root
        self.address = address
        self.folder = root / COPY

    def fetch(self) -> None:
        """Bring every branch and tag. Raises UpstreamError."""
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        try:
            git(self.root, "init", "--quiet", "--bare", str(self.folder))
            git(
                self.root,
                f"--git-dir={self.folder}",
                "fetch",
                "--quiet",
                "--prune",
                "--no-tags",
                self.address,
                *refs,
            )
        except GitError as error:
            hint = "Hint: `upstream` in offbeat.toml should be a git address that answers, or the path of a repository."
            raise UpstreamError(f"{self.address}: {error}. {hint}", os.EX_UNAVAILABLE) from None

    def versions(self) -> list[str]:
        """Return the tags that are versions, the newest first."""
        tags = [tag for tag in self._git("tag", "--list").split() if VERSION.fullmatch(tag)]
        return sorted(tags, key=number_of, reverse=True)

    def find(self, version: str | None) -> str:
        """Return the tag of a version, of the newest if none is named; a branch or a commit is taken too. Raises UpstreamError."""
        versions = self.versions()
        if version is None and versions:
            return versions[0]
        for name in (f"v{version}", version):
            if name and self.commit_of(name):
                return name
        there = f"There are: {', '.join(versions[:10])}" if versions else "It has no tags like v1.2.3"
        raise UpstreamError(f"{self.address} has no version {version or 'at all'}. {there}.", os.EX_USAGE)

    def commit_of(self, name: str) -> str:
        """Return the commit that a name stands for, or nothing."""
        try:
            return self._git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}").strip()
        except GitError:
            return ""

    def version_at(self, commit: str) -> str:
        """Return the core's version at a commit. Raises UpstreamError."""
        try:
            return self._git("show", f"{commit}:{VERSION_FILE}").strip()
        except GitError:
            raise UpstreamError(
                f"{commit} has no {VERSION_FILE}: this version cannot be used for an update", os.EX_USAGE
            ) from None

    def is_ancestor(self, commit: str, other: str) -> bool:
        try:
            self._git("merge-base", "--is-ancestor", commit, other)
        except GitError:
            return False
        return True

    def find_base(self, base: Base) -> str:
        """Return the commit that a fork was made from, which need not be of its own history. Raises UpstreamError.

        A commit is known again by its core, whose folders git calls the same in every repository.
        """
        recorded = self.commit_of(base.commit) if base.commit else ""
        tag = self.commit_of(f"v{base.version}")
        alike = self._commits_with(base.core)
        for commit in (recorded, tag):
            if commit in alike:
                return commit
        if found := [*alike[-1:], *filter(None, (recorded, tag))]:
            return found[0]
        raise UpstreamError(
            f"{self.address} has no version {base.version}, and no commit with this core. "
            "Hint: `commit` in offbeat.toml should be the commit of Offbeat that this project was made from.",
            os.EX_DATAERR,
        )

    def export(self, commit: str, folder: Path, *paths: str) -> None:
        """Write the files of a commit to a folder."""
        folder.mkdir()
        index = os.environ | {"GIT_INDEX_FILE": str(folder.with_suffix(".index"))}
        command = (f"--git-dir={self.folder}", f"--work-tree={folder}", "checkout", "--quiet", commit, "--")
        git(folder, *command, *(paths or (".",)), env=index)

    def _commits_with(self, trees: dict[str, str]) -> list[str]:
        """Return the commits with these folders, the newest first."""
        commits = self._git("rev-list", "--all", "--topo-order").split()
        asked = "".join(f"{commit}:{folder}\n" for commit in commits for folder in trees)
        answers = iter(self._git("cat-file", "--batch-check=%(objectname)", stdin=asked).splitlines())
        wanted = list(trees.values())
        return [commit for commit in commits if [next(answers) for _ in trees] == wanted]

    def _git(self, *arguments: str, stdin: str | None = None) -> str:
        return git(self.root, f"--git-dir={self.folder}", *arguments, stdin=stdin)


def number_of(version: str) -> tuple[int, ...]:
    """Return a version to compare; what is none comes before all."""
    found = VERSION.fullmatch(version)
    return tuple(int(part) for part in found.groups()) if found else ()
