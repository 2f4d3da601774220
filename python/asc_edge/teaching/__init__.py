"""Teaching a bundle on the device: examples kept as embeddings, SVMs and fusion refitted, gains measured."""
