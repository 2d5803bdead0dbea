"""The figures of the section on detection, and the two detectors that they judge."""
