"""Whether a written file keeps everything that its source says beside its pixels."""
