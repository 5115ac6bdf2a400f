"""Contract tests for those who write recorders, propagators and samplers: subclass a mixin.

They need nothing but this package, and run under unittest or pytest. `FaultyProxy` stands between a
recorder and its backend, and fails as networks do.
"""

from __future__ import annotations

from ._harness_proxy import FaultyProxy
from .propagator_check import PropagatorCheckMixin
from .recorder_check import RecorderCheckMixin
from .sampler_check import SamplerCheckMixin

__all__ = ["FaultyProxy", "PropagatorCheckMixin", "RecorderCheckMixin", "SamplerCheckMixin"]
