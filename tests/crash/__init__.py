"""Stores killed and cut from power, for real: at every system call that changes a file, inside writes, and at random."""
