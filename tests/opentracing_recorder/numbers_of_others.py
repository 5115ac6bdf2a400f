"""Numbers and truth values that answer as numpy's do, for Pythons that have no numpy."""

from __future__ import annotations

import numbers
from typing import Any


class _Scalar:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"np.{type(self).__name__.lower()}({self.value})"

    def __eq__(self, other: object) -> bool:
        return bool(self.value == other)

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def tolist(self) -> Any:
        return self.value


class Int64(_Scalar):
    def __index__(self) -> int:
        return int(self.value)


class Float32(_Scalar):
    pass


class Bool(_Scalar):
    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")


numbers.Integral.register(Int64)
numbers.Real.register(Float32)


class Index:
    """No more than an index, as other libraries have it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __index__(self) -> int:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return "an index"

    def __repr__(self) -> str:
        return f"Index({self.answer})"


PLAIN: dict[str, tuple[Any, Any]] = {
    "int64": (Int64(3), 3),
    "negative int64": (Int64(-3), -3),
    "float32": (Float32(0.5), 0.5),
    "true": (Bool(True), True),
    "false": (Bool(False), False),
    "index": (Index(7), 7),
}
"""By name, a value and what it is in JSON."""
