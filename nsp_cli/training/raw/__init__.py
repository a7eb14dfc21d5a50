"""Learning to develop RAW files: pictures, simulated cameras, and the task of the RAW network."""
