"""What the three architectures share at serving time.

Importing this package imports none of its modules: the Pulumi program reads bundles with `serving.bundle` on a
machine that has neither numpy nor an engine.
"""
