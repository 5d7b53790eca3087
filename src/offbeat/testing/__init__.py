"""What a project's tests use: a pytest plugin with fixtures. See docs/offbeat/testing-jobs.md."""
