"""The Tracker: what made which product, and which model is in production."""
