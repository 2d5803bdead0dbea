"""Out-of-core: data read chunk by chunk, binned into memory or onto several disks."""
