"""Random trace and span ids, for tracers: seeded by the system's entropy, safe across fork."""

from __future__ import annotations

from random import Random

from ._process import at_fork

# A generator of our own: `random.seed()` in the application does not reach it. `getrandbits` is one
# C call, atomic among threads, and costs a tenth of `os.urandom`.
_random = Random()

at_fork(_random.seed)

random_bits = _random.getrandbits
"""A random number of as many bits as asked for."""
