"""Measure the limits of this machine: multiply-adds, matrix products and memory.

    python benchmarks/roofline.py --threads 2 --json roofline.json

The peak and the memory are loops in C, when there is a compiler (`cc`); without one the best large
matrix product stands in for the peak, and the output says so. The matrix products are PyTorch's,
which is what trains: `x @ W.T` with M rows, and the widths of our models. Each figure is the best
of a number of tries: what the machine can do when nobody disturbs it.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

TRIES = 5
SECONDS = 0.1  # of a try, about
ROWS = (32, 48, 96)
WIDTHS = tuple((hidden, gates * hidden) for hidden in (128, 256, 512) for gates in (1, 4))
LARGE = 2048
MEGABYTES = 256  # far beyond the caches

SOURCE = r"""
#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif
#define CHAINS 12 /* independent sums: as many as hide the latency and fit the registers */
typedef float vector __attribute__((vector_size(4 * WIDTH)));

float multiply_add(long rounds, float factor, float term) {
    vector sum[CHAINS];
    for (int k = 0; k < CHAINS; k++) sum[k] = (vector){0} + (float)k;
    for (long round = 0; round < rounds; round++)
        for (int k = 0; k < CHAINS; k++) sum[k] = sum[k] * factor + term;
    float total = 0;
    for (int k = 0; k < CHAINS; k++)
        for (int i = 0; i < WIDTH; i++) total += sum[k][i];
    return total;
}

float read_memory(const float *numbers, long count) {
    const vector *vectors = (const vector *)numbers;
    vector sum[8];
    for (int k = 0; k < 8; k++) sum[k] = (vector){0};
    for (long i = 0; i + 8 <= count / WIDTH; i += 8)
        for (int k = 0; k < 8; k++) sum[k] += vectors[i + k];
    float total = 0;
    for (int k = 0; k < 8; k++)
        for (int i = 0; i < WIDTH; i++) total += sum[k][i];
    return total;
}

long flops_of_a_round(void) { return 2L * CHAINS * WIDTH; }
"""
FLAGS = (["-march=native"], ["-mcpu=native"], [])


def main() -> None:
    """Measure, print a table and write it as JSON where that is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    rows = measure(sorted({1, options.threads}))
    print(format_rows(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measure(threads: list[int]) -> list[dict[str, object]]:
    """Return one row a figure: its name, its unit, and the value for each number of threads."""
    products = [(LARGE, LARGE, LARGE), *((m, k, n) for m in ROWS for k, n in WIDTHS)]
    rows = [
        _row(f"peak ({peak_method()})", "GFLOP/s", threads, lambda n: measure_peak(n)[0]),
        _row("memory, read", "GB/s", threads, measure_memory),
    ]
    for m, k, n in products:
        name = f"product [{m}, {k}] by [{k}, {n}] ({product_library()})"
        rows.append(_row(name, "GFLOP/s", threads, lambda t, s=(m, k, n): measure_product(*s, t)))
    return rows


def _row(
    name: str, unit: str, threads: list[int], measure_with: Callable[[int], float]
) -> dict[str, object]:
    return {"what": name, "unit": unit, **{str(n): round(measure_with(n), 2) for n in threads}}


def format_rows(rows: list[dict[str, object]]) -> str:
    """Return the rows as a Markdown table."""
    threads = [key for key in rows[0] if key.isdigit()]
    heads = [f"{n} thread{'s' * (n != '1')}" for n in threads]
    lines = ["| what | unit | " + " | ".join(heads) + " |", "|---|---|" + "---:|" * len(heads)]
    for row in rows:
        values = " | ".join(f"{row[n]:.1f}" for n in threads)
        lines.append(f"| {row['what']} | {row['unit']} | {values} |")
    return "\n".join(lines)


@cache
def build_library() -> ctypes.CDLL | None:
    """Compile the loops; None without a compiler."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "roofline.c"), Path(folder, "roofline.so")
        source.write_text(SOURCE, encoding="utf-8")
        for flags in FLAGS:
            command = [os.environ.get("CC", "cc"), "-O3", "-ffp-contract=fast", *flags]
            command += ["-shared", "-fPIC", str(source), "-o", str(library)]
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                continue
            loaded = ctypes.CDLL(str(library))
            loaded.multiply_add.argtypes = [ctypes.c_long, ctypes.c_float, ctypes.c_float]
            loaded.multiply_add.restype = ctypes.c_float
            loaded.read_memory.argtypes = [ctypes.c_void_p, ctypes.c_long]
            loaded.read_memory.restype = ctypes.c_float
            loaded.flops_of_a_round.restype = ctypes.c_long
            return loaded
    return None


def peak_method() -> str:
    """Say how the peak is found."""
    return "multiply-adds in C" if build_library() else "no compiler: largest matrix product"


def measure_peak(threads: int) -> tuple[float, str]:
    """Return the most GFLOP/s in float32 that so many threads reach, and how it was found."""
    library = build_library()
    if library is None:
        return measure_product(LARGE, LARGE, LARGE, threads), peak_method()

    def work(rounds: int) -> None:
        library.multiply_add(rounds, 0.999, 0.001)

    rounds = 1 << 16
    while _time_threads(work, [rounds]) < SECONDS:
        rounds *= 2
    flops = library.flops_of_a_round() * rounds * threads
    return flops / _best(lambda: _time_threads(work, [rounds] * threads)) / 1e9, peak_method()


def measure_memory(threads: int) -> float:
    """Return the GB/s that so many threads read from memory, each in a part of its own."""
    numbers = np.ones(MEGABYTES * 2**20 // 4, dtype=np.float32)
    parts = np.array_split(numbers, threads)
    library = build_library()

    def work(part: np.ndarray) -> None:
        if library is None:
            part.max()
        else:
            library.read_memory(part.ctypes.data - part.ctypes.data % -64, len(part) - 32)

    return numbers.nbytes / _best(lambda: _time_threads(work, parts)) / 1e9


def measure_product(m: int, k: int, n: int, threads: int) -> float:
    """Return the GFLOP/s of x [M, K] times the transpose of W [N, K]."""
    multiply = _build_product(m, k, n, threads)
    multiply()
    times = max(1, int(SECONDS * 2e10 / (2 * m * k * n)))

    def run() -> float:
        begin = time.perf_counter()
        for _ in range(times):
            multiply()
        return time.perf_counter() - begin

    return 2 * m * k * n * times / _best(run) / 1e9


def product_library() -> str:
    """Say what multiplies matrices."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return "NumPy, its own number of threads"
    return "PyTorch"


def _build_product(m: int, k: int, n: int, threads: int) -> Callable[[], object]:
    generator = np.random.default_rng(1)
    x = generator.standard_normal((m, k), dtype=np.float32)
    weight = generator.standard_normal((n, k), dtype=np.float32)
    if product_library() != "PyTorch":
        return lambda: x @ weight.T
    import torch

    torch.set_num_threads(threads)
    inputs, weights = torch.from_numpy(x), torch.from_numpy(weight)
    return lambda: torch.nn.functional.linear(inputs, weights)


def _time_threads(work: Callable[..., None], parts: list) -> float:
    """Return the seconds that one thread for each part needs; C runs without Python's lock."""
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda _: time.sleep(0.001), parts))  # the threads are there
        begin = time.perf_counter()
        list(pool.map(work, parts))
        return time.perf_counter() - begin


def _best(run: Callable[[], float]) -> float:
    return min(run() for _ in range(TRIES))


if __name__ == "__main__":
    main()
