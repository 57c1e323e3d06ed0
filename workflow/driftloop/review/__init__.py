"""The review: what a person sees, answers and signs."""
