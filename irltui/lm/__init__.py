"""Language models as policies: loading, log-probabilities, adapters. Knows transformers, not the algorithms."""
