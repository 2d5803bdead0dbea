"""How two implementations are timed fairly, stored and shown."""
