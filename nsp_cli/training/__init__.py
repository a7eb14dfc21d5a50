"""Training: photos to samples, samples to weights, and the verdict on them.

`run` trains any `Task`. There are two: `blind_spot` learns from `data` alone, as the paper does, and
`distillation` teaches a student with a teacher's pictures and `simulation`. `judging` compares weights
without clean pictures, and `publish` writes what a run leaves.
"""
