"""Training: photos to samples, samples to weights, and the verdict on them."""
