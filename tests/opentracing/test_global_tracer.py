"""The global tracer: one variable, which libraries read, assign and patch."""

from __future__ import annotations

import importlib
import subprocess
import sys
from unittest import mock

import pytest

import opentracing
from opentracing import Tracer


def test_default_is_a_no_op() -> None:
    """Without registration, the tracer is a no-op, and is not counted as registered."""
    assert isinstance(opentracing.tracer, Tracer)
    assert opentracing.global_tracer() is opentracing.tracer
    assert not opentracing.is_global_tracer_registered()


def test_set_global_tracer_is_seen_both_ways() -> None:
    """The variable and the function return the tracer that was set."""
    tracer = Tracer()
    opentracing.set_global_tracer(tracer)
    assert opentracing.tracer is opentracing.global_tracer() is tracer
    assert opentracing.is_global_tracer_registered()


def test_none_is_refused() -> None:
    """None is refused: it is not a tracer."""
    with pytest.raises(ValueError, match="None"):
        opentracing.set_global_tracer(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="None"):
        opentracing.use_tracer(None)  # type: ignore[arg-type]


def test_submodule_of_the_same_name_stays_hidden() -> None:
    """Imports from and of `opentracing.tracer` work, and the variable stays an instance."""
    module = importlib.import_module("opentracing.tracer")
    from opentracing.tracer import Reference

    assert module.Reference is Reference
    assert isinstance(opentracing.tracer, Tracer)


def test_assignment_and_patches_are_seen_at_once() -> None:
    """The variable may be assigned and patched, and so may its attributes."""
    assigned = Tracer()
    opentracing.tracer = assigned
    assert opentracing.global_tracer() is assigned
    with mock.patch("opentracing.tracer") as patched:
        assert opentracing.global_tracer() is patched
    with mock.patch.object(opentracing.tracer, "start_span") as start_span:
        opentracing.global_tracer().start_span("x")
    start_span.assert_called_once_with("x")
    with mock.patch("opentracing.follows_from", return_value="patched"):
        assert opentracing.follows_from() == "patched"
    assert opentracing.global_tracer() is assigned


def test_use_tracer_puts_back_what_was_there() -> None:
    """Nested uses end one by one, also by an exception, until no tracer is registered."""
    before, outer, inner = opentracing.tracer, Tracer(), Tracer()
    with opentracing.use_tracer(outer) as given:
        assert given is opentracing.tracer is outer
        with pytest.raises(KeyError), opentracing.use_tracer(inner):
            raise KeyError(opentracing.global_tracer() is inner)
        assert opentracing.global_tracer() is outer
    assert opentracing.tracer is before
    assert not opentracing.is_global_tracer_registered()


def test_reset_forgets_the_registered_tracer() -> None:
    """The private function that test suites call still works."""
    opentracing.set_global_tracer(Tracer())
    opentracing._reset_global_tracer()
    assert not opentracing.is_global_tracer_registered()


def test_a_method_is_patched_by_its_dotted_name() -> None:
    """`mock.patch` imports the submodule, and still changes the global tracer."""
    tracer = opentracing.tracer
    with mock.patch("opentracing.tracer.start_span") as start_span:
        assert opentracing.global_tracer().start_span is start_span
    assert "start_span" not in vars(tracer)


def test_what_is_the_submodules_own_is_patched_in_it() -> None:
    """Names that the global tracer lacks are patched in the submodule."""
    module = importlib.import_module("opentracing.tracer")
    with mock.patch.object(module, "Reference") as reference:
        assert module.Reference is reference
    assert module.Reference is opentracing.Reference
    with mock.patch.object(module, "new", 1, create=True):
        assert module.new == 1
    assert not hasattr(module, "new")


@pytest.mark.needs_os
def test_ext_tags_needs_no_import() -> None:
    """`import opentracing` is enough for the path of 1.x and for ``import *``."""
    code = (
        "import opentracing; opentracing.ext.tags.SPAN_KIND; from opentracing import *; tags, logs"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.needs_os
@pytest.mark.parametrize(
    "statement",
    [
        "import opentracing.tracer",
        "from opentracing.tracer import Reference",
        "from opentracing import tracer",
        "import opentracing.tracer as found; assert isinstance(found, opentracing.Tracer)",
    ],
)
def test_the_variable_is_an_instance_in_a_fresh_interpreter(statement: str) -> None:
    """Whichever import is first, `opentracing.tracer` is the no-op and not the submodule."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; import opentracing; {statement};"
        "assert isinstance(opentracing.tracer, opentracing.Tracer);"
        "assert opentracing.global_tracer() is opentracing.tracer"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True)


def test_one_use_may_be_nested_in_itself() -> None:
    """Each exit restores the tracer that its own entry found."""
    before, tracer = opentracing.tracer, Tracer()
    use = opentracing.use_tracer(tracer)
    with use:
        with use:
            pass
        assert opentracing.global_tracer() is tracer
    assert opentracing.tracer is before
    assert not opentracing.is_global_tracer_registered()


def test_reset_puts_a_no_op_in_place() -> None:
    """Libraries no longer get the tracer that was registered."""
    registered = mock.Mock()
    opentracing.set_global_tracer(registered)
    opentracing._reset_global_tracer()
    assert type(opentracing.global_tracer()) is Tracer
