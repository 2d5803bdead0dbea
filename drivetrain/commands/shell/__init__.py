"""What every command shares: the router, messages, exit codes."""
