"""TF-MoDISco-lite, in a separate process, and its file."""
