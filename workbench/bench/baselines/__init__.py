"""What this program is compared with: functions as one would write them, and functions that do next to nothing.

They run under the same runtime and the same service as the functions of a stack, and import nothing of ours. The header
`server-timing` is all that is added to them, so that their cold starts can be shown by phase.
"""

from time import perf_counter

# Before anything that a function imports.
BEGUN = perf_counter()
