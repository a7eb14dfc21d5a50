"""Noisy photos as training data: decoded, held out, cropped, and paired (paper Sec. 3.3)."""
