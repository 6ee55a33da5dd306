"""Container images on the user's machine: how large they are, and beside what."""
