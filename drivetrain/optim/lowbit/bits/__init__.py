"""Single operations on bits, in LLVM's own words, that loops vectorise."""
