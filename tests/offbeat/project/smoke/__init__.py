"""An app with the tasks of the smoke test, beside the project's own."""
