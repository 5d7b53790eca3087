"""Conflicts that an update leaves in a fork's files."""

MARK = f"{'<' * 7} yours"  # spelt so, it is not found in this file


def conflicted_files(fork):
    return fork.git("grep", "--files-with-matches", f"^{MARK}", "--", ".", ":!docs/offbeat/fork.md").split()
