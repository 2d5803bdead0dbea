"""Seeded problems that races run on: the same bytes on every machine."""
