"""Imported in the process that Dask's workers are forked from, and nowhere else.

It leaves the process group of the run for one of its own, in which the workers are then forked. A
worker of Prefect's stops a run by a signal to all of its group: Dask's workers died of it, and were
started again and waited for before the run could end. The run itself stops them, in order, and they
end by themselves when its process is gone.
"""

import os

os.setpgrp()
