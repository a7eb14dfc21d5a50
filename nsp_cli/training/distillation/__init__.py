"""Learning from simulated samples: a student's task, a noise estimator's, and what both are drawn from.

`teacher_data` has a teacher make pictures of noisy photos, and `sources` puts them beside clean photos and
real pairs. `sampler` draws the kind and the picture of each sample (`SampleShares`), and `noise_drawing` its
noise. The plan (`sample_plan`) is carried out on the device by `sample_making` and `added_noise`.
"""
