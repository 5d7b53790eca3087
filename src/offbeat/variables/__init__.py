"""How environment variables are read: as people paste them, and with errors that say where, what was found and what is right."""
