"""Scores: PSNR and SSIM over pairs of folders, and the data sets of the paper."""
