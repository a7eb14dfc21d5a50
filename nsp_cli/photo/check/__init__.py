"""The check that a written file keeps all metadata of its source."""
