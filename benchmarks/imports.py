"""What importing the flow costs, over importing Prefect: in new processes, in turns.

`import prefect` alone leaves to the first use of its API what `from prefect import flow` does at
once, such as setting up logging. No flow needs that before it runs. It is measured beside the
two that are compared, since it is what most flows pay.
"""

from functools import partial
from pathlib import Path

from benchmarks.measuring import Options, Run, Section, Target, in_turns, python

__all__ = ["imports"]

CODE = """
import json, time
began = time.perf_counter()
{statement}
print(json.dumps({{"seconds": time.perf_counter() - began}}))
"""

BOUND = 1.15
TIMES = 5
"""How many times more rounds than of the others: these are short, and strays weigh more."""


def imports(options: Options) -> Section:
    """Measure the imports."""
    statements = ("import prefect", "from prefect import flow", "import flows.mirror_album")
    contenders = {statement: partial(_import, statement) for statement in statements}
    rows = in_turns(contenders, options.rounds * TIMES, options.ground)
    prefect, _, ours = (rows[statement].figure() for statement in statements)
    return Section(
        title="imports",
        rows=tuple(rows.values()),
        baseline=prefect,
        baseline_name="import prefect",
        targets=(Target("import flows.mirror_album / import prefect", ours / prefect, BOUND),),
    )


def _import(statement: str, _: Path) -> Run:
    return python("-c", CODE.format(statement=statement))
