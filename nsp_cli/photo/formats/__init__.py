"""Photo formats, one file each."""
