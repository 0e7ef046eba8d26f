"""Inverse-RL fine-tuning of language models from demonstrations (arXiv 2405.17888)."""

__version__ = "0.1.0"
