"""What importing the flow costs, over importing Prefect: in new processes, in turns."""

from functools import partial
from pathlib import Path

from benchmarks.measuring import Options, Run, Section, Target, in_turns, python

__all__ = ["imports"]

CODE = """
import json, time
began = time.perf_counter()
import {module}
print(json.dumps({{"seconds": time.perf_counter() - began}}))
"""

BOUND = 1.15
TIMES = 5
"""How many times more rounds than of the others: these are short, and strays weigh more."""


def imports(options: Options) -> Section:
    """Measure both imports."""
    modules = ("prefect", "flows.mirror_album")
    contenders = {f"import {module}": partial(_import, module) for module in modules}
    rows = in_turns(contenders, options.rounds * TIMES, options.ground)
    ours, prefect = (rows[f"import {module}"].figure() for module in reversed(modules))
    return Section(
        title="imports",
        rows=tuple(rows.values()),
        baseline=prefect,
        baseline_name="import prefect",
        targets=(Target("import flows.mirror_album / import prefect", ours / prefect, BOUND),),
    )


def _import(module: str, _: Path) -> Run:
    return python("-c", CODE.format(module=module))
