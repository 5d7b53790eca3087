"""The web service before and around Django: how requests arrive, how large they may be, and the headers of every answer."""
