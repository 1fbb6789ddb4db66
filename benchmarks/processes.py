"""Many inks through the pipeline in two processes, each on one thread."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np
import torch

Each = Callable[[Callable, Iterable], np.ndarray]


@contextmanager
def two_processes() -> Iterator[Each]:
    """A function that stacks what another one makes of each item."""
    with get_context("spawn").Pool(2, torch.set_num_threads, (1,)) as pool:
        yield lambda function, items: np.stack(pool.map(function, items, chunksize=50))
