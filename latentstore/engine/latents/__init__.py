"""Latent spaces in a store: fitted to items that are there, given the vectors of those that come, and kept in versions."""
