"""A flow's parameters as they stand in its source, without importing Prefect.

`imgur-mirror album --help` is to answer at once, and importing a flow takes the time of importing
Prefect. A flow's signature and its docstring are plain Python: they are read, and nothing else of
the module is run.
"""

import ast
import inspect
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from annotated_types import Interval
from cyclopts import Parameter

from flows.support import parameters

__all__ = ["signature_of"]


def signature_of(module: str) -> Callable[..., dict[str, Any]]:
    """Return a function with the parameters and the docstring of the flow that a module has.

    Its first parameter can be given by position, all others by name only. It returns what it was
    called with. A flow has the name of its module.
    """
    stub = _compiled(_without_body(_flow_in(module)), module)
    # Without what validates, which is left to the flow: one place, one sentence.
    types, hints = get_type_hints(stub), get_type_hints(stub, include_extras=True)
    for name, given in inspect.signature(stub).parameters.items():
        # By position, "-" stands for standard input.
        is_value = given.kind is given.POSITIONAL_OR_KEYWORD and types[name] is str
        shown = Parameter(show_default=_default(given, hints[name]), allow_leading_hyphen=is_value)
        stub.__annotations__[name] = Annotated[types[name], shown]
    return stub


def _flow_in(module: str) -> ast.FunctionDef:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"there is no module {module}")
    name = module.rpartition(".")[2]
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise ImportError(f"the module {module} has no flow {name}")


def _without_body(flow: ast.FunctionDef) -> ast.FunctionDef:
    first, *options = flow.args.args
    required = len(flow.args.args) - len(flow.args.defaults)
    flow.args.args, flow.args.kwonlyargs = [first], options
    flow.args.kw_defaults = [None] * max(required - 1, 0) + flow.args.defaults[-len(options) :]
    flow.args.defaults = [] if required else flow.args.defaults[:1]
    flow.decorator_list, flow.returns = [], None
    flow.body = [*flow.body[:1], *ast.parse("return locals()").body]
    return flow


def _compiled(function: ast.FunctionDef, module: str) -> Callable[..., dict[str, Any]]:
    # All that annotations and defaults name stands in that module.
    namespace = dict(vars(parameters))
    code = compile(ast.Module(body=[function], type_ignores=[]), module, "exec")
    exec(code, namespace)  # noqa: S102 - a signature out of this project's own source
    found: Callable[..., dict[str, Any]] = namespace[function.name]
    return found


def _default(given: inspect.Parameter, hint: object) -> Callable[[object], str] | bool:
    """Say a default, and the bounds of a number; the flow itself refuses what is outside."""
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Interval):
            bounds = f"{note.ge} to {note.le}"
            return lambda default: f"{default}; {bounds}"
    # Nothing is said of a switch that is off and of an empty text, which the help describes.
    return bool(given.default)
