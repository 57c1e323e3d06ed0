"""Networks, the classifier that is deployed, and how it is trained, stored and run."""
