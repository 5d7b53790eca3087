"""The example: a mailing list with double opt-in, work whose loss or doubling hurts. Yours to delete."""
