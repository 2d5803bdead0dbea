"""The approximate method: split candidates proposed anew for every tree."""
