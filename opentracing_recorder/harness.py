"""Contract tests for those who write recorders, propagators and samplers: subclass a mixin.

They need nothing but this package, and run under unittest or pytest.
"""

from __future__ import annotations

from .propagator_check import PropagatorCheckMixin
from .recorder_check import RecorderCheckMixin
from .sampler_check import SamplerCheckMixin

__all__ = ["PropagatorCheckMixin", "RecorderCheckMixin", "SamplerCheckMixin"]
