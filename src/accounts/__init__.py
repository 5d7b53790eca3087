"""Who can sign in: your own user model, from the first migration on."""
