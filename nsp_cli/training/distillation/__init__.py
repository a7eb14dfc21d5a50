"""Teaching a student network: the teacher's data set, and the samples drawn from it."""
