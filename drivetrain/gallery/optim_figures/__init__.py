"""The figures of the Adam and AdamW section."""
