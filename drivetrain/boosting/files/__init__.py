"""Model files: XGBoost's JSON and UBJSON, both ways; read as what they may be, hostile."""
