"""The benchmarks: ours and theirs, answers and times, from one run."""
