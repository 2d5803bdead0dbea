# streams

# gains, search, processes

# inference
