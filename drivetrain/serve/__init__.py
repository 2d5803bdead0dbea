"""The methods over HTTP."""
