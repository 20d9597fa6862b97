"""Measures servers of the networks under load: Ray Serve and Triton."""
