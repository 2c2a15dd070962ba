"""Pure tensor functions: affine maps, heatmaps, windows, PCA. Torch and kornia only."""
