"""One tree grown in one kernel, by any number of threads."""
