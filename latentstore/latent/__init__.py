"""Latent models: spaces learned from items, with a way back from every point to something that can be seen or heard."""
