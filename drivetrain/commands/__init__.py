"""The command line: one file a method, one frozen dataclass a verb."""
