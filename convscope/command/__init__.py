"""The command `convscope`: a study file from a model and pictures, and Snakemake for those who do not know it."""
