"""driftloop: notice drift, ask a person, repair the classifier, prove it, promote it."""

__version__ = "0.2.0"
