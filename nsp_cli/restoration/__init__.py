"""From a noisy photo to a clean one: noise estimation, inference, detail recovery."""
