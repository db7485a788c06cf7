"""TF-MoDISco-lite, in a process of its own, and its file."""
