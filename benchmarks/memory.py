"""Time and page faults of one calibration, with the memory that is freed kept in the process and given back to the kernel.

    python benchmarks/memory.py --study square_well_joint --candidate structure

Each is run in a fresh process, twice; the first run of all compiles and is not counted.
"""

import argparse
import resource
import subprocess
import sys
from dataclasses import replace

import jax

from bayesff.caching import compilation_settings
from bayesff.memory import keep_memory
from bayesff.running import sampler_changes
from bayesff.study import load


def calibrate(name: str, candidate: str, keep: bool) -> None:
    """Print what each stage of a quick calibration costs."""
    for setting, value in ({"jax_enable_x64": True} | compilation_settings()).items():
        jax.config.update(setting, value)
    if keep:
        keep_memory()
    study = load(name)
    sampler = replace(study.sampler, **sampler_changes(study, {}, quick=True))
    costs: dict[str, list[float]] = {}
    last = [usage(), "start"]

    def progress(stage: str, _done: int, _total: int) -> None:
        now = usage()
        spent = costs.setdefault(str(last[1]), [0.0, 0.0, 0.0])
        costs[str(last[1])] = [one + b - a for one, a, b in zip(spent, last[0], now, strict=True)]
        last[:] = [now, stage]

    sampler.run(study.problems[candidate], key=jax.random.key(1), progress=progress)
    progress("end", 0, 0)
    for stage, (user, system, faults) in costs.items():
        print(f"    {stage:<12} {user:6.1f} s user {system:6.1f} s system {faults:10.0f} page faults")


def usage() -> tuple[float, float, float]:
    """Return seconds of the program, seconds of the kernel, and page faults."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime, used.ru_stime, float(used.ru_minflt)


def main() -> None:
    """Compare the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="square_well_joint")
    parser.add_argument("--candidate", default="structure")
    parser.add_argument("--only", choices=("kept", "given back"), help="run this one in this process")
    arguments = parser.parse_args()
    if arguments.only:
        calibrate(arguments.study, arguments.candidate, arguments.only == "kept")
        return
    for which in ("", "kept", "given back", "kept", "given back"):
        command = [sys.executable, __file__, "--study", arguments.study, "--candidate", arguments.candidate]
        done = subprocess.run([*command, "--only", which or "kept"], capture_output=True, text=True, check=True)
        if which:
            print(f"{which}:", done.stdout, sep="\n", end="")


if __name__ == "__main__":
    main()
