"""An exact JSON scanner: from the bytes of a file to flat columns, without Python objects."""
