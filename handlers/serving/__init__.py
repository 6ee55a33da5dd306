"""What the three architectures share at serving time.

Importing this package imports none of its modules: the Pulumi program reads bundles with `serving.bundle` on a
machine that has neither numpy nor an engine.
"""

from time import perf_counter

# A function imports this package before anything else of its own, so its imports are what lies between here and the
# end of its entry point (see `application`).
BEGUN = perf_counter()
