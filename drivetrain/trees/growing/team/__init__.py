"""Threads that meet inside one kernel."""
