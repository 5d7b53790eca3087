"""Where a project keeps what is neither a row nor code: its cache, and the files that people upload."""
