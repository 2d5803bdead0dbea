"""How sections and figures become one self-contained page."""
