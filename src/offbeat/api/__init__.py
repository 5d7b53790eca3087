"""The HTTP API: other programs enqueue jobs and follow them. Off until a token exists: docs/offbeat/http-api.md."""
