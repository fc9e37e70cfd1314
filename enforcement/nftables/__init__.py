"""The driver of this machine's own kernel: the table `inet hradlo` and nothing else."""
