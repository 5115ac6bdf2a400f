"""Contract tests for those who write tracers and scope managers; subclass a mixin and run it.

They need nothing but the standard library, and run under unittest or pytest.
"""
