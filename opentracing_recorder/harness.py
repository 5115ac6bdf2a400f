"""Contract tests for those who write recorders, propagators and samplers: subclass a mixin.

They need nothing but this package, and run under unittest or pytest. `FaultyProxy` stands between a
recorder and its backend, and fails as networks do.
"""

from __future__ import annotations

from ._harness_propagator import PropagatorCheckMixin
from ._harness_proxy import FaultyProxy
from ._harness_recorder import RecorderCheckMixin
from ._harness_sampler import SamplerCheckMixin

__all__ = ["FaultyProxy", "PropagatorCheckMixin", "RecorderCheckMixin", "SamplerCheckMixin"]
