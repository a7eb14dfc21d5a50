"""Training: photos to samples, samples to weights, and the verdict on them.

`run` trains any `Task`. There are three: `blind_spot` learns from `data` alone, as the paper does.
`distillation` teaches students and noise estimators with `simulation`, and with a teacher's pictures.
`judging` compares weights without clean pictures, and `publish` writes what a run leaves.
"""
